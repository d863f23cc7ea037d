// node-redis: its handshake, pipelines, all types with RESP3's maps, sets and doubles, and reconnection.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BasicClientSideCache, createClient, RESP_TYPES } from 'redis';
import { binary, each, port, tls, unicode, until } from './common.js';

const socket = { port, ...(tls && { tls: true, ...tls }) };

async function open(RESP) {
  const client = createClient({ RESP, name: 'nr', commandOptions: { timeout: 60000 }, socket: { ...socket, reconnectStrategy: 10 } });
  client.on('error', () => {}); // a killed connection reports here before it reconnects
  await client.connect();
  await client.flushAll();
  return client;
}

const close = (client) => client.destroy();
const check = (name, body) => each(`node-redis: ${name}`, open, close, body);

check('handshake', async (client) => {
  assert.equal(await client.clientGetName(), 'nr');
  assert.equal(await client.ping(), 'PONG');
  assert.match(await client.info(), /redis_version:\d+\.\d+\.\d+/);
});

check('strings', async (client) => {
  await client.set('s', binary);
  const buffers = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  assert.deepEqual(await buffers.get('s'), binary);
  await client.set('u', unicode, { expiration: { type: 'EX', value: 100 } });
  assert.equal(await client.get('u'), unicode);
  assert.equal(await client.ttl('u'), 100);
  assert.equal(await client.get('none'), null);
  assert.equal(await client.incrBy('n', 41), 41);
  assert.deepEqual(await client.mGet(['n', 'none']), ['41', null]);
});

check('collections', async (client) => {
  await client.rPush('l', ['a', 'b', 'c']);
  assert.deepEqual(await client.lRange('l', 0, -1), ['a', 'b', 'c']);
  await client.hSet('h', { f: '1', g: unicode });
  assert.deepEqual({ ...(await client.hGetAll('h')) }, { f: '1', g: unicode });
  await client.sAdd('t', ['x', 'y']);
  assert.deepEqual([...(await client.sMembers('t'))].sort(), ['x', 'y']);
  await client.zAdd('z', [{ score: 1.5, value: 'a' }, { score: -Infinity, value: 'b' }]);
  assert.deepEqual(await client.zRangeWithScores('z', 0, -1),
    [{ value: 'b', score: -Infinity }, { value: 'a', score: 1.5 }]);
  assert.equal(await client.zScore('z', 'a'), 1.5);
  assert.equal(await client.zScore('z', 'none'), null);
});

check('types on the wire', async (client, protocol) => {
  await client.hSet('h', 'f', '1');
  await client.sAdd('t', 'x');
  await client.zAdd('z', { score: 0.5, value: 'm' });
  const typed = client.withTypeMapping({ [RESP_TYPES.MAP]: Map, [RESP_TYPES.SET]: Set });
  const map = await typed.sendCommand(['HGETALL', 'h']);
  const set = await typed.sendCommand(['SMEMBERS', 't']);
  const score = await typed.sendCommand(['ZSCORE', 'z', 'm']);
  const expected = protocol === 3 ? [new Map([['f', '1']]), new Set(['x']), 0.5] : [['f', '1'], ['x'], '0.5'];
  assert.deepEqual([map, set, score], expected);
});

check('10,000 commands in one tick', async (client) => {
  const replies = await Promise.all(Array.from({ length: 10000 }, () => client.incr('n')));
  assert.deepEqual(replies, Array.from({ length: 10000 }, (_, i) => i + 1));
});

check('errors', async (client) => {
  await client.set('s', 'text');
  await assert.rejects(client.lPush('s', 'x'), /WRONGTYPE Operation against a key/);
  await assert.rejects(client.sendCommand(['NOSUCH', 'a']), /ERR unknown command 'NOSUCH'/);
  assert.equal(await client.get('s'), 'text');
});

check('scan iterator', async (client) => {
  await client.mSet(Array.from({ length: 2000 }, (_, i) => [`k${i}`, `${i}`]));
  const seen = new Set();
  for await (const keys of client.scanIterator({ MATCH: 'k*', COUNT: 50 })) keys.forEach((key) => seen.add(key));
  assert.equal(seen.size, 2000);
});

check('reconnection', async (client) => {
  const id = await client.clientId();
  const killer = await open(2);
  assert.equal(await killer.sendCommand(['CLIENT', 'KILL', 'ID', `${id}`]), 1);
  await until(async () => (await client.clientId().catch(() => id)) !== id);
  assert.equal(await client.clientGetName(), 'nr');
  killer.destroy();
});

test('node-redis: client-side cache (RESP3)', async () => {
  const clientSideCache = new BasicClientSideCache({ ttl: 0, maxEntries: 0 });
  const client = createClient({ RESP: 3, socket, clientSideCache });
  client.on('error', () => {});
  await client.connect();
  const writer = await open(2);
  await writer.set('k', 'old');
  for (let i = 0; i < 10; i++) assert.equal(await client.get('k'), 'old');
  assert.equal(clientSideCache.stats().hitCount, 9);
  await writer.set('k', 'new');
  await until(async () => (await client.get('k')) === 'new');
  await writer.flushAll();
  await until(async () => (await client.get('k')) === null);
  writer.destroy();
  client.destroy();
});
