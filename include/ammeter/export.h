/* AMM_API marks what is part of the library's public interface.
 *
 * The library is compiled with hidden visibility: what is not marked is not exported. A program
 * that links the static library defines AMM_STATIC (the CMake target ammeter::static does so). */
#ifndef AMMETER_EXPORT_H
#define AMMETER_EXPORT_H

#if defined(__GNUC__) && !defined(AMM_STATIC)
#define AMM_API __attribute__((visibility("default")))
#else
#define AMM_API
#endif

#endif
