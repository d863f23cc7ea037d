// ioredis: its handshake, pipelines, all types, errors and reconnection.
import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import { binary, each, port, tls, unicode, until } from './common.js';

async function open(protocol, options = {}) {
  const client = new Redis({ port, tls, protocol, lazyConnect: true, connectionName: 'io', ...options });
  await client.connect();
  await client.flushall();
  return client;
}

const close = (client) => client.disconnect();
const check = (name, body) => each(`ioredis: ${name}`, open, close, body);

check('handshake', async (client) => {
  assert.equal(await client.client('GETNAME'), 'io');
  assert.match(await client.info('server'), /redis_version:\d+\.\d+\.\d+/);
  assert.equal(await client.ping(), 'PONG');
});

check('strings', async (client) => {
  assert.equal(await client.set('s', binary), 'OK');
  assert.deepEqual(await client.getBuffer('s'), binary);
  await client.set('u', unicode, 'EX', 100);
  assert.equal(await client.get('u'), unicode);
  assert.equal(await client.get('none'), null);
  assert.equal(await client.incrby('n', 41), 41);
  assert.equal(await client.incrbyfloat('f', 1.5), '1.5');
  assert.deepEqual(await client.mget('n', 'none', 'f'), ['41', null, '1.5']);
});

check('collections', async (client) => {
  await client.rpush('l', 'a', 'b', 'c');
  assert.deepEqual(await client.lrange('l', 0, -1), ['a', 'b', 'c']);
  await client.hset('h', { f: '1', g: unicode });
  assert.deepEqual({ ...(await client.hgetall('h')) }, { f: '1', g: unicode });
  assert.deepEqual({ ...(await client.hgetall('none')) }, {});
  await client.sadd('t', 'x', 'y');
  assert.deepEqual([...(await client.smembers('t'))].sort(), ['x', 'y']);
  await client.zadd('z', 1.5, 'a', -2, 'b');
  assert.deepEqual((await client.zrange('z', 0, -1)).map(String), ['b', 'a']);
  assert.equal(Number(await client.zscore('z', 'a')), 1.5);
  assert.equal(await client.zrank('z', 'a'), 1);
});

check('pipeline of 10,000', async (client) => {
  const pipeline = client.pipeline();
  for (let i = 0; i < 10000; i++) pipeline.incr('n');
  const replies = await pipeline.exec();
  assert.deepEqual(replies.map(([error, value]) => error ?? value), Array.from({ length: 10000 }, (_, i) => i + 1));
});

check('errors', async (client) => {
  await client.set('s', 'text');
  await assert.rejects(client.lpush('s', 'x'), /WRONGTYPE Operation against a key/);
  await assert.rejects(client.incr('s'), /ERR value is not an integer or out of range/);
  await assert.rejects(client.call('NOSUCH', 'a'), /ERR unknown command 'NOSUCH'/);
  assert.equal(await client.get('s'), 'text');
});

check('scan stream', async (client) => {
  await client.mset(Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`k${i}`, i])));
  const seen = new Set();
  for await (const keys of client.scanStream({ match: 'k*', count: 50 })) keys.forEach((key) => seen.add(key));
  assert.equal(seen.size, 2000);
});

check('reconnection', async (client) => {
  const id = await client.client('ID');
  const killer = await open(2);
  await client.set('s', '1');
  assert.equal(await killer.client('KILL', 'ID', id), 1);
  await until(async () => (await client.client('ID')) !== id);
  assert.equal(await client.client('GETNAME'), 'io');
  killer.disconnect();
});
