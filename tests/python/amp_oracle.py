"""A second implementation of the cost model of AMP (Li et al., NeurIPS 2022), the cost model
`amp-reference` of `ammeter plan`. It shares nothing with the command except the profile files of
models/profiles: models, enumeration, formulas and roundings are written down here once more.

Words: N nodes of M devices. A strategy has tensor, data and pipeline parallel degrees T, D, P with
T D P = M N, a micro-batch of m samples, and B = G / (D m) micro-batches per step of G samples. Rank
t + T d + T D p holds tensor index t of replica d of stage p and sits on node rank // M.

The reference computes in single precision. Every rounding of its total is repeated here, so that
totals are the same bits; e[l], sums of it and the partition are in double precision.
Bandwidths are float32 numbers of 32-bit elements per second. There is no latency and no memory.
"""
import collections
import json
import pathlib

import numpy as np

f32 = np.float32

BLOCKS = 24  # the uniform rule deals out this many layers, whatever the model has
WIDTH = 1024  # h of both models
SEQUENCE, VOCABULARY = 1024, 52256  # gpt2
BOTTOM = 9  # transgan: the first blocks work on BOTTOM^2 tokens
BACKWARD = 3  # forward and backward take this many times the forward

# work:      real layer ids of the modelled layers
# real:      number of real layers; the last stage ends there
# first, last: layers that the uniform rule adds to the first and to the last stage
# volume:    (l, m, T) -> elements sent after modelled layer l
# parameters: (l, T) -> of real layer l, on one device
# embedding: (layers, T -> elements), added once to a stage that holds any of these layers
Model = collections.namedtuple("Model", "name work real first last volume parameters embedding")
Cluster = collections.namedtuple("Cluster", "nodes per_node link")
Strategy = collections.namedtuple("Strategy", "tp dp pp micro_batch")
Plan = collections.namedtuple(
    "Plan", "strategy stage_layers boundaries total compute_s bubble_s pp_s dp_s pipe dp")


def block_parameters(width, tp):
    return 12 * width * width // tp


def gpt2():
    return Model(
        name="gpt2",
        work=list(range(30)),  # embedding, no-op, 24 blocks, 2 no-ops, logits, no-op
        real=30,
        first=2,
        last=4,
        volume=lambda l, m, tp: m * SEQUENCE * (WIDTH if l <= 27 else VOCABULARY / tp),
        parameters=lambda l, tp: block_parameters(WIDTH, tp) if 2 <= l <= 25 else 0,
        embedding=((0, 28), lambda tp: WIDTH * VOCABULARY / tp),
    )


def transgan():
    wide, narrow = range(3, 15), range(41, 53)
    return Model(
        name="transgan",
        work=[0, *wide, *narrow],
        real=56,
        first=0,
        last=0,
        volume=lambda l, m, tp: m * WIDTH * BOTTOM**2,
        parameters=lambda l, tp: block_parameters(WIDTH, tp) if l in wide
        else block_parameters(WIDTH // 64, tp) if l in narrow else 0,
        embedding=((), None),
    )


def load_profile(path, mix):
    """Forward seconds {T: [of each real layer]}, mixed over devices: mix is {device: weight}."""
    profile = {}
    for point in json.loads(pathlib.Path(path).read_text())["points"]:
        if point["device"] in mix and point["micro_batch"] == 1:
            part = mix[point["device"]] * np.array(point["forward_s"], dtype=np.float64)
            profile[point["tp"]] = profile.get(point["tp"], 0.0) + part
    return {tp: [float(x) for x in seconds] for tp, seconds in profile.items()}


def make_cluster(nodes):
    """nodes: one (count, devices, intra bit/s, inter bit/s) per group; equal devices everywhere."""
    intra, inter, per_node = [], [], nodes[0][1]
    for count, devices, intra_bits, inter_bits in nodes:
        assert devices == per_node
        intra += [f32(intra_bits / 32)] * count
        inter += [f32(inter_bits / 32)] * count
    n = len(intra)
    link = [[intra[a] if a == b else min(inter[a], inter[b]) for b in range(n)] for a in range(n)]
    return Cluster(n, per_node, link)


def divisors(n):
    return [d for d in range(1, n + 1) if n % d == 0]


def uniform_split(model, stages):
    """Stage sizes for B = 1: BLOCKS dealt out evenly, earlier stages first."""
    base, more = divmod(BLOCKS, stages)
    sizes = [base + (p < more) for p in range(stages)]
    sizes[0] += model.first
    sizes[-1] += model.last
    return sizes


def searched_split(e, c, stages, batches):
    """Stage sizes for B > 1: the dynamic program of the reference, with its update rule.

    best[i][m] is the value of layers 0..i in j + 1 stages when the slowest stage to the right
    takes caps[m]; back[j][i][m] is the accepted last layer of stage j - 1. The reference
    accepts an option that is below the stored value and then stores it without its transfer.
    States from which the remaining stages cannot be filled are left out: nothing reads them.
    """
    layers = len(e)
    span = [[0.0] * layers for _ in range(layers)]  # span[a][b] = e[a] + ... + e[b], left to right
    for a in range(layers):
        total = 0.0
        for b in range(a, layers):
            total += e[b]
            span[a][b] = total
    caps = sorted({0.0} | {span[a][b] for a in range(layers) for b in range(a, layers)})
    index = {cap: m for m, cap in enumerate(caps)}
    caps, every = np.array(caps), np.arange(len(caps))
    excess = lambda x: (batches - 1) * np.maximum(0.0, x - caps)

    best = [excess(span[0][i]) for i in range(layers)]
    back = [None]
    for j in range(1, stages):
        end = layers - (stages - 1 - j)
        found, origin = [None] * layers, [None] * layers
        for i in range(j if j < stages - 1 else layers - 1, end):
            value = np.full(len(caps), np.inf)
            chosen = np.full(len(caps), -1)
            for k in range(j - 1, i):
                x = span[k + 1][i]
                option = best[k][np.maximum(index[x], every)] + excess(x) + c[k][j - 1]
                accept = option < value
                value = np.where(accept, option - c[k][j - 1], value)
                chosen = np.where(accept, k, chosen)
            found[i], origin[i] = value, chosen
        best = found
        back.append(origin)

    sizes, i, m = [], layers - 1, 0
    for j in range(stages - 1, 0, -1):
        k = int(back[j][i][m])
        sizes.append(i - k)
        m = max(m, index[span[k + 1][i]])
        i = k
    sizes.append(i + 1)
    return sizes[::-1]


def transfer_times(model, cluster, s):
    """c[l][p]: seconds from stage p to p + 1 when the cut is after modelled layer l (float32)."""
    node = lambda p, d, t: (t + s.tp * d + s.tp * s.dp * p) // cluster.per_node
    slowest = [[min(cluster.link[node(p, d, t)][node(p + 1, d, t)] for t in range(s.tp))
                for d in range(s.dp)] for p in range(s.pp - 1)]
    rows = {}
    for volume in {model.volume(l, s.micro_batch, s.tp) for l in range(len(model.work))}:
        rows[volume] = []
        for links in slowest:
            total = f32(0)
            for link in links:
                total = f32(total + f32(f32(volume) / link))
            rows[volume].append(f32(total / f32(s.dp)))
    return [rows[model.volume(l, s.micro_batch, s.tp)] for l in range(len(model.work))]


def stage_parameters(model, first, end, tp):
    """Parameters per device of real layers first..end-1, added up in float32."""
    total = f32(0)
    layers, elements = model.embedding
    if any(first <= l < end for l in layers):
        total = f32(elements(tp))
    for l in range(first, end):
        total = f32(total + f32(model.parameters(l, tp)))
    return total


def gradient_time(model, cluster, s, boundaries):
    """All-reduce of the gradients, slowest stage: (float32 as the reference, double).

    The reference takes the last link of each ring, from replica D - 1 back to replica 0.
    """
    if s.dp == 1:
        return f32(0), 0.0
    node = lambda p, d, t: (t + s.tp * d + s.tp * s.dp * p) // cluster.per_node
    single, double = f32(0), 0.0
    for p in range(s.pp):
        parameters = stage_parameters(model, boundaries[p], boundaries[p + 1], s.tp)
        for t in range(s.tp):
            link = cluster.link[node(p, s.dp - 1, t)][node(p, 0, t)]
            factor = f32(f32(2 * (s.dp - 1)) / f32(f32(s.dp) * link))
            single = max(single, f32(factor * parameters))
            double = max(double, float(parameters) * 2 * (s.dp - 1) / (s.dp * float(link)))
    return single, double


def evaluate(model, cluster, profile, batch, s):
    """The plan of one strategy, or None when its pipeline is longer than the model."""
    batches = batch // (s.dp * s.micro_batch)
    e = [s.micro_batch * (BACKWARD * profile[s.tp][l]) for l in model.work]
    c = transfer_times(model, cluster, s)
    if batches == 1:
        sizes = uniform_split(model, s.pp)
    elif s.pp <= len(e):
        sizes = searched_split(e, [[float(x) for x in row] for row in c], s.pp, batches)
    else:
        return None

    ends = [sum(sizes[:p + 1]) for p in range(s.pp)]
    slowest = max(sum(e[end - size:end]) for size, end in zip(sizes, ends))
    cuts = [end - 1 for end in ends[:-1]]
    transfers = [c[cut][p] for p, cut in enumerate(cuts)]

    pipe = f32(f32(batches - 1) * f32(slowest))
    for transfer in transfers:
        pipe = f32(pipe + transfer)
    pipe = f32(pipe + f32(sum(e)))
    boundaries = [0] + [model.work[cut] + 1 for cut in cuts] + [model.real]
    dp, dp_s = gradient_time(model, cluster, s, boundaries)
    return Plan(s, sizes, boundaries, f32(pipe + dp), sum(e), (batches - 1) * slowest,
                sum(float(x) for x in transfers), dp_s, pipe, dp)


def strategies(cluster, batch):
    """All (m, T, D) in the order of the reference, here over every T that divides the cluster and
    every m that divides the batch: why_not() says which of them the reference has."""
    devices = cluster.nodes * cluster.per_node
    for m in divisors(batch):
        for tp in divisors(devices):
            for dp in divisors(devices // tp):
                yield Strategy(tp, dp, devices // tp // dp, m)


def why_not(model, cluster, profile, batch, s):
    """The reason for which a strategy is no candidate, or None."""
    if batch % (s.dp * s.micro_batch) != 0:
        return "divisibility"
    if cluster.per_node % s.tp != 0:
        return "topology"
    if s.tp not in profile:
        return "no-profile"
    if s.pp > len(model.work) and batch > s.dp * s.micro_batch:
        return "pipeline-longer-than-model"
    return None


def plan(model, cluster, profile, batch):
    """(plans from best to worst, {reason: number of rejected strategies})."""
    plans, rejected = [], collections.Counter()
    for s in strategies(cluster, batch):
        reason = why_not(model, cluster, profile, batch, s)
        if reason:
            rejected[reason] += 1
        else:
            plans.append(evaluate(model, cluster, profile, batch, s))
    return sorted(plans, key=lambda p: p.total), dict(rejected)  # stable: ties as enumerated
