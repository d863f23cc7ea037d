// @upstash/redis over HTTP: commands, pipelines, transactions, both encodings, errors, events.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Redis } from '@upstash/redis';
import { port, unicode, until } from './common.js';

const url = `http://localhost:${port}`;
const token = 'secret';

/** One test per encoding of strings in replies. */
function each(name, body) {
  for (const responseEncoding of ['base64', false]) {
    test(`${name} (${responseEncoding || 'plain'})`, async () => {
      const redis = new Redis({ url, token, responseEncoding, enableTelemetry: false, retry: false });
      await redis.flushall();
      await body(redis);
    });
  }
}

each('strings', async (redis) => {
  assert.equal(await redis.ping(), 'PONG');
  assert.equal(await redis.set('k', unicode, { ex: 100 }), 'OK');
  assert.equal(await redis.get('k'), unicode);
  const ttl = await redis.ttl('k');
  assert.ok(ttl > 0 && ttl <= 100);
  assert.equal(await redis.set('k', 'x', { nx: true }), null);
  assert.equal(await redis.get('none'), null);
  await redis.set('json', { a: [1, 'two', null], b: true });
  assert.deepEqual(await redis.get('json'), { a: [1, 'two', null], b: true });
  assert.equal(await redis.incrby('n', 5), 5);
  assert.deepEqual(await redis.mget('n', 'none'), [5, null]);
});

each('collections', async (redis) => {
  assert.equal(await redis.hset('h', { f: 1, g: 'x' }), 2);
  assert.deepEqual(await redis.hgetall('h'), { f: 1, g: 'x' });
  assert.equal(await redis.rpush('l', 'a', 'b', 'c'), 3);
  assert.deepEqual(await redis.lrange('l', 0, -1), ['a', 'b', 'c']);
  assert.equal(await redis.zadd('z', { score: 1, member: 'a' }, { score: 2.5, member: 'b' }), 2);
  assert.deepEqual(await redis.zrange('z', 0, -1, { withScores: true }), ['a', 1, 'b', 2.5]);
  assert.equal(await redis.zscore('z', 'b'), 2.5);
  assert.equal(await redis.sadd('s', 'x', 'y'), 2);
  assert.deepEqual((await redis.smembers('s')).sort(), ['x', 'y']);
  const [cursor, keys] = await redis.scan(0, { count: 100 });
  assert.equal(Number(cursor), 0);
  assert.deepEqual(keys.sort(), ['h', 'l', 's', 'z']);
  const id = await redis.xadd('st', '*', { field: 'value' });
  assert.deepEqual(await redis.xrange('st', '-', '+'), { [id]: { field: 'value' } });
});

each('pipelines and transactions', async (redis) => {
  const answers = await redis.pipeline().set('a', 1).incr('a').get('a').hgetall('none').exec();
  assert.deepEqual(answers, ['OK', 2, 2, null]);
  assert.deepEqual(await redis.multi().set('b', 'x').append('b', 'y').get('b').exec(), ['OK', 2, 'xy']);
  await assert.rejects(redis.pipeline().set('c', 'x').lpush('c', 1).exec(), /WRONGTYPE/);
  const [first, second] = await redis.pipeline().set('c', 'x').lpush('c', 1).exec({ keepErrors: true });
  assert.equal(first.result, 'OK');
  assert.match(second.error, /WRONGTYPE/);
  const many = redis.pipeline();
  for (let i = 0; i < 500; i++) many.rpush('l', i);
  assert.deepEqual(await many.exec(), Array.from({ length: 500 }, (_, i) => i + 1));
});

each('automatic pipelines', async (redis) => {
  await redis.set('a', unicode);
  const { fetch } = globalThis;
  const targets = [];
  globalThis.fetch = (target, options) => {
    targets.push(new URL(target).pathname);
    return fetch(target, options);
  };
  try { // the client makes one of what reads, and one of what writes; HGETALL goes alone
    const [held, none, first, second, refused] = await Promise.allSettled([
      redis.get('a'), redis.hgetall('none'), redis.incr('n'), redis.incr('n'), redis.lpush('a', 1)]);
    assert.equal(held.value, unicode);
    assert.deepEqual([none.value, first.value, second.value], [null, 1, 2]);
    assert.match(refused.reason.message, /WRONGTYPE/);
  } finally {
    globalThis.fetch = fetch;
  }
  assert.equal(targets.filter((target) => target === '/pipeline').length, 2);
});

each('scripts', async (redis) => {
  assert.deepEqual(await redis.eval('return {KEYS[1], ARGV[1], 3}', ['k'], ['a']), ['k', 'a', 3]);
  const sha = await redis.scriptLoad('return redis.call("SET", KEYS[1], ARGV[1])');
  assert.equal(await redis.evalsha(sha, ['k'], ['v']), 'OK');
  const script = redis.createScript('return ARGV[1]');
  assert.equal(await script.exec([], ['hello']), 'hello');
});

each('errors', async (redis) => {
  await redis.set('k', 'x');
  await assert.rejects(redis.lpush('k', 1), /WRONGTYPE/);
  const stranger = new Redis({ url, token: 'wrong', enableTelemetry: false, retry: false });
  await assert.rejects(stranger.get('k'), /WRONGPASS/);
});

each('events', async (redis) => {
  const heard = [];
  const subscriber = redis.subscribe(['news']);
  const patterns = redis.psubscribe(['n*']);
  let subscriptions = 0;
  subscriber.on('subscribe', () => subscriptions++);
  patterns.on('psubscribe', () => subscriptions++);
  subscriber.on('message', ({ channel, message }) => heard.push(['message', channel, message]));
  patterns.on('pmessage', ({ pattern, channel, message }) => heard.push(['pmessage', pattern, channel, message]));
  await until(() => subscriptions === 2, 20000);
  assert.equal(await redis.publish('news', { a: 1 }), 2);
  await until(() => heard.length === 2, 20000);
  assert.deepEqual(heard.sort(), [['message', 'news', { a: 1 }], ['pmessage', 'n*', 'news', { a: 1 }]]);
  await subscriber.unsubscribe();
  await patterns.unsubscribe();
});
