// What INFO and LATENCY HISTOGRAM say, as numbers.

/** @typedef {{[field: string]: string}} Info */

/** @param {string} text @returns {Info} */
export function parseInfo(text) {
  /** @type {Info} */
  const info = {};
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0 && line[0] !== '#') info[line.slice(0, colon)] = line.slice(colon + 1);
  }
  return info;
}

/** "calls=1,usec=2" @param {string} text @returns {Record<string, number>} */
export function parseParts(text) {
  return Object.fromEntries(
    text.split(',').map((part) => {
      const [name, value] = part.split('=');
      return [name, Number(value)];
    }),
  );
}

/** The fields that begin with a prefix, by the rest of their names.
 * @param {Info} info @param {string | RegExp} prefix @returns {Map<string, Record<string, number>>} */
export function parseFamily(info, prefix) {
  const found = new Map();
  for (const [name, value] of Object.entries(info)) {
    const match = typeof prefix === 'string' ? name.startsWith(prefix) && [prefix] : prefix.exec(name);
    if (match) found.set(typeof prefix === 'string' ? name.slice(prefix.length) : name, parseParts(value));
  }
  return found;
}

/** Calls per upper bound in microseconds, per command; the reply counts cumulatively.
 * @param {any[]} reply @returns {Map<string, Map<number, number>>} */
export function parseHistograms(reply) {
  const all = new Map();
  for (let i = 0; i + 1 < reply.length; i += 2) {
    const pairs = reply[i + 1][3],
      buckets = new Map();
    for (let j = 0, before = 0; j + 1 < pairs.length; j += 2) {
      buckets.set(Number(pairs[j]), Number(pairs[j + 1]) - before);
      before = Number(pairs[j + 1]);
    }
    all.set(String(reply[i]), buckets);
  }
  return all;
}

/** All commands together, of the calls between two moments; what CONFIG RESETSTAT took back does not count.
 * @param {Map<string, Map<number, number>>} before @param {Map<string, Map<number, number>>} now
 * @param {Set<string>} skipped commands @returns {Map<number, number>} */
export function callsBetween(before, now, skipped) {
  const sum = new Map();
  for (const [command, buckets] of now) {
    if (skipped.has(command)) continue;
    for (const [bound, count] of buckets) {
      const fresh = count - (before.get(command)?.get(bound) ?? 0);
      if (fresh > 0) sum.set(bound, (sum.get(bound) ?? 0) + fresh);
    }
  }
  return sum;
}

/** Within its bucket, which ends at twice its beginning, a call may be anywhere: interpolated.
 * @param {Map<number, number>} buckets @param {number} share 0.99 @returns {number | null} microseconds */
export function percentile(buckets, share) {
  const bounds = Array.from(buckets.keys()).sort((a, b) => a - b);
  const total = Array.from(buckets.values()).reduce((sum, count) => sum + count, 0);
  let left = total * share;
  for (const bound of bounds) {
    const count = buckets.get(bound) ?? 0;
    if (left <= count) return bound / 2 + (bound / 2) * (left / count);
    left -= count;
  }
  return total ? bounds[bounds.length - 1] : null;
}

/** @param {any[]} flat name, value, name, value … @returns {Record<string, any>} */
export function pairsOf(flat) {
  /** @type {Record<string, any>} */
  const found = {};
  for (let i = 0; i + 1 < flat.length; i += 2) found[String(flat[i])] = flat[i + 1];
  return found;
}
