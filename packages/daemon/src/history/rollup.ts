/**
 * Downsampling: samples become buckets of 10 s, of a minute and of a quarter of an hour, each with minimum,
 * mean and maximum, as in round-robin databases (RRDtool). Pure, so that 400 days pass while a test waits.
 */

/** Figures by series name at one moment. */
export interface Sample {
  /** Unix milliseconds. */
  readonly at: number
  readonly values: ReadonlyMap<string, number>
}

/** What became of one series during one bucket. */
export interface Figure {
  /** Samples in it, from 1 up to `countMax`. */
  readonly count: number
  readonly min: number
  readonly mean: number
  readonly max: number
}

/** The figures of one span of time, by series name. */
export type Bucket = Map<string, Figure>

/** How long history is kept at one resolution. */
export interface Tier {
  readonly stepMs: number
  /** Buckets kept: the newest, so that time in which the node did not run costs nothing. */
  readonly bucketsMax: number
}

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs

/** The resolutions, the finest first (experience M8): 10 s for 24 h, 1 min for 14 d, 15 min for 400 d. */
export const tiers: readonly Tier[] = [
  { stepMs: 10_000, bucketsMax: dayMs / 10_000 },
  { stepMs: minuteMs, bucketsMax: (14 * dayMs) / minuteMs },
  { stepMs: 15 * minuteMs, bucketsMax: (400 * dayMs) / (15 * minuteMs) },
]

/** What two bytes hold; a quarter of an hour has 90 samples. */
export const countMax = 65_535

/** The beginning of the bucket that `at` falls into. */
export function bucketStart(at: number, stepMs: number): number {
  return Math.floor(at / stepMs) * stepMs
}

/** The figure over the samples of both. */
export function joinFigures(one: Figure, other: Figure): Figure {
  const count = one.count + other.count
  return {
    count: Math.min(count, countMax),
    min: Math.min(one.min, other.min),
    mean: one.mean + ((other.mean - one.mean) * other.count) / count,
    max: Math.max(one.max, other.max),
  }
}

/** Adds every figure of `other` to `bucket`. */
export function joinInto(bucket: Bucket, other: Iterable<readonly [name: string, figure: Figure]>): void {
  for (const [name, figure] of other) {
    const before = bucket.get(name)
    bucket.set(name, before === undefined ? figure : joinFigures(before, figure))
  }
}

/** Puts buckets, by their beginning, into wider ones of `stepMs`. */
export function widen(
  buckets: Iterable<readonly [at: number, bucket: Bucket]>,
  stepMs: number,
): Map<number, Bucket> {
  const wide = new Map<number, Bucket>()
  for (const [at, bucket] of buckets) {
    const start = bucketStart(at, stepMs)
    const into = wide.get(start) ?? new Map<string, Figure>()
    wide.set(start, into)
    joinInto(into, bucket)
  }
  return wide
}

/** Each sample as a bucket of its own. Values that are no finite numbers are left out. */
export function bucketsOf(samples: readonly Sample[]): (readonly [at: number, bucket: Bucket])[] {
  return samples.map(({ at, values }) => {
    const finite = [...values].filter(([, value]) => Number.isFinite(value))
    return [
      at,
      new Map(finite.map(([name, value]) => [name, { count: 1, min: value, mean: value, max: value }])),
    ]
  })
}

/** Where to read, and how wide the buckets of the answer are. */
export interface Resolution {
  readonly tier: Tier
  /** A multiple of the tier's step. */
  readonly stepMs: number
}

/**
 * The coarsest tier that is fine enough for `wantedMs` and still reaches back to `from`; a coarser one where
 * none does. All in milliseconds.
 */
export function resolutionFor(from: number, now: number, wantedMs: number): Resolution {
  const reaching = tiers.filter(({ stepMs, bucketsMax }) => now - from <= stepMs * bucketsMax)
  const usable = reaching.length > 0 ? reaching : tiers.slice(-1)
  const tier = usable.findLast(({ stepMs }) => stepMs <= wantedMs) ?? usable[0]
  if (tier === undefined) throw new RangeError('there is no tier')
  return { tier, stepMs: Math.max(1, Math.ceil(wantedMs / tier.stepMs)) * tier.stepMs }
}
