// Replies as redis-cli writes them.
import { escape } from '../bytes.js';

/** @param {import('../bytes.js').Bytes} bytes */
const quote = (bytes) => `"${escape(bytes).replaceAll('"', '\\"')}"`;

/** @param {any} reply @param {string} [indent] @returns {string} */
export function replyText(reply, indent = '') {
  if (reply instanceof Error) return `(error) ${reply.message}`;
  if (reply === null || reply === undefined) return '(nil)';
  if (typeof reply === 'number' || typeof reply === 'bigint') return `(integer) ${reply}`;
  if (!Array.isArray(reply)) return reply === 'OK' ? 'OK' : quote(reply);
  if (!reply.length) return '(empty array)';
  const width = String(reply.length).length;
  return reply
    .map((each, i) => {
      const mark = `${String(i + 1).padStart(width)}) `;
      return `${i ? indent : ''}${mark}${replyText(each, indent + ' '.repeat(mark.length))}`;
    })
    .join('\n');
}

/** Whole texts, as INFO's, read better as they are. @param {any} reply */
export function isReport(reply) {
  return typeof reply === 'string' && /^# \w+\r\n/.test(reply);
}
