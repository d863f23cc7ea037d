// A job queue whose every step is a Lua script over many keys: BullMQ on ioredis.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { FlowProducer, Queue, QueueEvents, Worker } from 'bullmq';
import { port, until } from './common.js';

const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null };
const patience = 30_000;
const open = [];
let serial = 0;

/** Remembers what is to be closed, the newest first. */
function keep(resource) {
  resource.on?.('error', () => {});
  open.unshift(resource);
  return resource;
}

/** A queue of its own for each test, its events, and workers that run `work`. */
async function queueWith(work, options = {}) {
  const name = `jobs-${++serial}`;
  const queue = keep(new Queue(name, { connection }));
  const events = keep(new QueueEvents(name, { connection }));
  await events.waitUntilReady();
  const worker = work && keep(new Worker(name, work, { connection, concurrency: 4, ...options }));
  await worker?.waitUntilReady();
  return { name, queue, events, worker };
}

before(() => assert.ok(port));
after(() => Promise.all(open.map((resource) => resource.close())));

test('jobs are done once each, with their results and progress', async () => {
  const done = [];
  const progress = [];
  const { queue, events } = await queueWith(async (job) => {
    await job.updateProgress(50);
    done.push(job.data.n);
    return job.data.n * 2;
  });
  events.on('progress', ({ data }) => progress.push(data));
  const jobs = await queue.addBulk(Array.from({ length: 100 }, (_, n) => ({ name: 'double', data: { n } })));
  const results = await Promise.all(jobs.map((job) => job.waitUntilFinished(events, patience)));
  assert.deepEqual(results, jobs.map((_, n) => n * 2));
  assert.deepEqual(done.sort((a, b) => a - b), jobs.map((_, n) => n));
  await until(() => progress.length === 100, patience);
  assert.deepEqual(await queue.getJobCounts('waiting', 'active', 'completed', 'failed'),
    { waiting: 0, active: 0, completed: 100, failed: 0 });
});

test('two workers share a queue', async () => {
  const seen = new Map();
  const work = (id) => async (job) => { seen.set(job.id, (seen.get(job.id) ?? []).concat(id)); };
  const { name, queue, events } = await queueWith(work(1));
  keep(new Worker(name, work(2), { connection, concurrency: 4 }));
  const jobs = await queue.addBulk(Array.from({ length: 100 }, (_, n) => ({ name: 'n', data: { n } })));
  await Promise.all(jobs.map((job) => job.waitUntilFinished(events, patience)));
  assert.equal(seen.size, 100);
  assert.ok([...seen.values()].every((ids) => ids.length === 1));
});

test('priorities and LIFO, while the queue is paused', async () => {
  const order = [];
  const { queue, events } = await queueWith(async (job) => { order.push(job.name); }, { concurrency: 1 });
  await queue.pause();
  const jobs = [];
  for (const [name, options] of [['low', { priority: 9 }], ['mid', { priority: 5 }], ['high', { priority: 1 }], ['first', {}],
    ['lifo', { lifo: true }]]) jobs.push(await queue.add(name, {}, options));
  assert.equal(await queue.isPaused(), true);
  assert.deepEqual(order, []);
  await queue.resume();
  await Promise.all(jobs.map((job) => job.waitUntilFinished(events, patience)));
  assert.deepEqual(order, ['lifo', 'first', 'high', 'mid', 'low']);
});

test('delayed jobs wait, and not much longer', async () => {
  const { queue, events } = await queueWith(async (job) => Date.now() - job.timestamp);
  const jobs = await Promise.all([400, 100, 200].map((delay) => queue.add('later', {}, { delay })));
  const waited = await Promise.all(jobs.map((job) => job.waitUntilFinished(events, patience)));
  assert.ok(waited[0] >= 400 && waited[1] >= 100 && waited[2] >= 200, `${waited}`);
});

test('failures are retried with a backoff, and then are failures', async () => {
  const { queue, events } = await queueWith(async (job) => {
    if (job.attemptsMade < job.data.times) throw new Error(`attempt ${job.attemptsMade}`);
    return job.attemptsMade;
  });
  const failures = [];
  events.on('failed', ({ failedReason }) => failures.push(failedReason));
  const options = { attempts: 3, backoff: { type: 'exponential', delay: 20 } };
  const good = await queue.add('recovers', { times: 2 }, options);
  const bad = await queue.add('fails', { times: 9 }, options);
  assert.equal(await good.waitUntilFinished(events, patience), 2);
  await assert.rejects(bad.waitUntilFinished(events, patience), /attempt 2/);
  await until(() => failures.length === 1, patience);
  assert.equal(await bad.getState(), 'failed');
  await bad.retry();
  await until(async () => (await queue.getFailedCount()) === 1, patience);
});

test('a parent runs after its children, with their values', async () => {
  const children = await queueWith(async (job) => job.data.n ** 2);
  const parents = await queueWith(async (job) =>
    Object.values(await job.getChildrenValues()).reduce((sum, value) => sum + value, 0));
  const flow = keep(new FlowProducer({ connection }));
  const tree = await flow.add({
    name: 'sum', queueName: parents.name,
    children: [1, 2, 3, 4].map((n) => ({ name: 'square', queueName: children.name, data: { n } })),
  });
  assert.equal(await tree.job.waitUntilFinished(parents.events, patience), 30);
});

test('a limit of the rate holds', async () => {
  const times = [];
  const { queue, events } = await queueWith(async () => { times.push(Date.now()); }, { limiter: { max: 2, duration: 300 } });
  const jobs = await queue.addBulk(Array.from({ length: 6 }, () => ({ name: 'n', data: {} })));
  await Promise.all(jobs.map((job) => job.waitUntilFinished(events, patience)));
  assert.ok(times.at(-1) - times[0] >= 500, `${times}`);
});

test('a scheduler repeats a job', async () => {
  let runs = 0;
  const { queue } = await queueWith(async () => { runs++; });
  await queue.upsertJobScheduler('tick', { every: 100 }, { name: 'tick' });
  await until(() => runs >= 3, patience);
  assert.equal(await queue.removeJobScheduler('tick'), true);
  assert.equal((await queue.getJobSchedulers()).length, 0);
});

test('duplicates are recognized, jobs are removed, queues are emptied', async () => {
  const { queue } = await queueWith(null);
  await queue.add('one', {}, { jobId: 'same' });
  await queue.add('two', {}, { jobId: 'same' });
  await queue.add('three', {}, { deduplication: { id: 'x' } });
  await queue.add('four', {}, { deduplication: { id: 'x' } });
  assert.equal(await queue.getWaitingCount(), 2);
  await (await queue.getJob('same')).remove();
  assert.deepEqual((await queue.getWaiting()).map((job) => job.name), ['three']);
  await queue.drain();
  assert.equal(await queue.count(), 0);
  await queue.obliterate();
});
