// Strings of the server are bytes. Here they are `Bytes`: a JavaScript string when they are UTF-8, else a Uint8Array,
// so that nothing is lost on the way from a reply to the screen and back.

/** @typedef {string | Uint8Array} Bytes */

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();
const NAMED = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\\', '\\\\'],
  ['\x07', '\\a'],
  ['\b', '\\b'],
]);
// Control characters, and what would turn a line around or hide in it.
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/u;

/** @param {Uint8Array} raw @returns {Bytes} */
export function fromRaw(raw) {
  try {
    return decoder.decode(raw);
  } catch {
    return raw;
  }
}

/** @param {Bytes} bytes @returns {Uint8Array} */
export function toRaw(bytes) {
  return typeof bytes === 'string' ? encoder.encode(bytes) : bytes;
}

/** @param {string} base64 @returns {Bytes} */
export function fromBase64(base64) {
  return fromRaw(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)));
}

/** @param {string} text as UTF-8 */
export function toBase64(text) {
  return btoa(Array.from(encoder.encode(text), (b) => String.fromCharCode(b)).join(''));
}

/** @param {Bytes} bytes */
export function byteLength(bytes) {
  return toRaw(bytes).length;
}

/** @param {Bytes} a @param {Bytes} b */
export function equalBytes(a, b) {
  if (typeof a === 'string' || typeof b === 'string') return a === b; // one form per value
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Whether a text field can hold it unchanged: those make LF of CR, and hide other control characters.
 * @param {Bytes} bytes @returns {bytes is string} */
export function isPlain(bytes) {
  return typeof bytes === 'string' && !HIDDEN.test(bytes.replace(/[\n\t]/g, ''));
}

/** @param {number} byte */
const hex = (byte) => `\\x${byte.toString(16).padStart(2, '0')}`;

/** @param {string} char */
function escapeChar(char) {
  if (NAMED.has(char)) return NAMED.get(char);
  return HIDDEN.test(char) ? Array.from(encoder.encode(char), hex).join('') : char;
}

/** @param {number} byte */
function escapeByte(byte) {
  return byte < 0x80 ? escapeChar(String.fromCharCode(byte)) : hex(byte);
}

/** As redis-cli writes strings, but for UTF-8, which stays: \n, \x00, \\.
 * @param {Bytes} bytes */
export function escape(bytes) {
  if (typeof bytes === 'string') return Array.from(bytes, escapeChar).join('');
  return Array.from(bytes, escapeByte).join('');
}

/** For reading only: a backslash stays one.
 * @param {Bytes} bytes @param {number} [most] characters */
export function display(bytes, most = Infinity) {
  const head = most === Infinity ? bytes : bytes.slice(0, most + 1);
  const text = typeof head === 'string' && !HIDDEN.test(head) ? head : escape(head).replaceAll('\\\\', '\\');
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

const ESCAPES = new Map([
  ['n', 10],
  ['r', 13],
  ['t', 9],
  ['a', 7],
  ['b', 8],
  ['\\', 92],
  ['"', 34],
  ["'", 39],
]);

/** The reverse of escape(); throws when an escape is malformed.
 * @param {string} text @returns {Bytes} */
export function unescape(text) {
  /** @type {number[]} */
  const raw = [];
  for (let i = 0; i < text.length;) {
    if (text[i] !== '\\') {
      const char = String.fromCodePoint(/** @type {number} */ (text.codePointAt(i)));
      raw.push(...encoder.encode(char));
      i += char.length;
      continue;
    }
    const digits = /^\\x([0-9a-f]{2})/i.exec(text.slice(i, i + 4));
    const byte = digits ? parseInt(digits[1], 16) : ESCAPES.get(text[i + 1]);
    if (byte === undefined) throw new Error(`malformed escape at character ${i + 1}: ${text.slice(i, i + 4)}`);
    raw.push(byte);
    i += digits ? 4 : 2;
  }
  return fromRaw(Uint8Array.from(raw));
}

/** For addresses: every byte that is not a letter or digit as %XX.
 * @param {Bytes} bytes */
export function percent(bytes) {
  return Array.from(toRaw(bytes), (b) => {
    const char = String.fromCharCode(b);
    return /[A-Za-z0-9]/.test(char) ? char : `%${b.toString(16).padStart(2, '0').toUpperCase()}`;
  }).join('');
}

/** @param {string} text @returns {Bytes} */
export function fromPercent(text) {
  const raw = [];
  for (let i = 0; i < text.length; i++) {
    const escaped = text[i] === '%' && /^[0-9a-f]{2}/i.exec(text.slice(i + 1, i + 3));
    raw.push(escaped ? parseInt(escaped[0], 16) : text.charCodeAt(i) & 255);
    if (escaped) i += 2;
  }
  return fromRaw(Uint8Array.from(raw));
}
