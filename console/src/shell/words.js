// A line into words, with the quotes of redis-cli: "a\n\x00", 'it\'s'.
import { unescape } from '../bytes.js';

/** @typedef {{words: import('../bytes.js').Bytes[], open: boolean, error: string}} Split `open`: the line ends in a word */

/** @param {string} line @returns {Split} */
export function splitLine(line) {
  const words = [];
  let at = 0,
    open = false;
  for (;;) {
    while (/\s/.test(line[at] ?? '')) at++;
    if (at >= line.length) return { words, open: open && !/\s$/.test(line), error: '' };
    const quote = line[at] === '"' || line[at] === "'" ? line[at] : '';
    const match = quote === '"' ? /"((?:[^"\\]|\\.)*)"(?=\s|$)/sy : quote ? /'((?:[^'\\]|\\.)*)'(?=\s|$)/sy : /\S+/y;
    match.lastIndex = at;
    const found = match.exec(line);
    if (!found) return { words, open: true, error: 'Unbalanced quotes' };
    try {
      words.push(quote === '"' ? unescape(found[1]) : quote ? found[1].replaceAll("\\'", "'") : found[0]);
    } catch (error) {
      return { words, open: true, error: /** @type {Error} */ (error).message };
    }
    at += found[0].length;
    open = true;
  }
}
