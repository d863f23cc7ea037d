// Numbers for people.

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];

/** @param {number} bytes */
export function formatBytes(bytes) {
  let unit = 0,
    value = bytes;
  for (; Math.abs(value) >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${unit && Math.abs(value) < 100 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** @param {number} value 1234567: 1.23 M */
export function formatCount(value) {
  const size = Math.abs(value);
  if (size >= 1e9) return `${(value / 1e9).toFixed(2)} G`;
  if (size >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  if (size >= 1e4) return `${(value / 1e3).toFixed(1)} k`;
  return size >= 100 || Number.isInteger(value) ? Math.round(value).toLocaleString('en') : value.toFixed(1);
}

/** @param {number} value */
export function formatExact(value) {
  return value.toLocaleString('en');
}

/** @param {number} us microseconds */
export function formatMicros(us) {
  if (us >= 1e6) return `${(us / 1e6).toFixed(2)} s`;
  if (us >= 1e3) return `${(us / 1e3).toFixed(us >= 1e5 ? 0 : 1)} ms`;
  return `${us >= 100 ? Math.round(us) : us.toFixed(us >= 10 ? 0 : 1)} µs`;
}

/** @param {number} seconds */
export function formatDuration(seconds) {
  if (seconds < 1) return `${Math.max(0, Math.round(seconds * 1000))} ms`;
  const parts = /** @type {[number, string][]} */ ([
    [86400, 'd'],
    [3600, 'h'],
    [60, 'm'],
    [1, 's'],
  ]);
  let rest = Math.floor(seconds);
  const words = [];
  for (const [size, name] of parts) {
    if (rest >= size) words.push(`${Math.floor(rest / size)} ${name}`);
    rest %= size;
  }
  return words.slice(0, 2).join(' ');
}

/** @param {number} part @param {number} whole */
export function formatPercent(part, whole) {
  if (!whole) return '–';
  const value = (part * 100) / whole;
  return `${value >= 99.95 || value === 0 ? value.toFixed(0) : value.toFixed(1)} %`;
}

/** @param {number} ms since 1970 */
export function formatTime(ms) {
  const time = new Date(ms);
  return `${time.toLocaleTimeString('en', { hour12: false })}.${String(time.getMilliseconds()).padStart(3, '0')}`;
}

/** @param {number} ms since 1970 */
export function formatDate(ms) {
  return new Date(ms).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
}

/** "1 key", "2 keys" @param {number} count @param {string} word @param {string} [words] */
export function formatNumber(count, word, words = `${word}s`) {
  return `${formatExact(count)} ${count === 1 ? word : words}`;
}
