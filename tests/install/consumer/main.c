/* The smallest program that uses an installed Ammeter. */
#include <ammeter/ammeter.h>
#include <stdio.h>

int main(void)
{
    printf("linked with ammeter %s\n", amm_version());
    return amm_version()[0] == '\0';
}
