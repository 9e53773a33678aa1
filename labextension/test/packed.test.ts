import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { test } from 'node:test';
import { Store } from '../src/core/store.js';
import { unpack } from '../src/core/packed.js';
import { type WidgetModel, recordingOf } from '../src/widget.js';
import { FakeKernel, runInfo } from '../perf/replay.js';

test('what is packed comes out as it was, and what would fill the memory does not', async () => {
  const bytes = (value: unknown) => new Uint8Array(gzipSync(JSON.stringify(value)));
  assert.deepEqual(await unpack(bytes({ a: ['ä', 1] })), { a: ['ä', 1] });
  await assert.rejects(unpack(bytes('x'.repeat(3e6)), 1e6), /too large/);
  await assert.rejects(unpack(new Uint8Array([1, 2, 3])));
});

test('all events of a run come whether they are packed or not, page after page', async () => {
  const kernel = new FakeKernel();
  kernel.add({ info: runInfo('r', {}), log: [], texts: new Map() });
  const events = Array.from({ length: 9 }, (_, i) => ({
    type: 'note' as const,
    node: 'run1',
    text: `${i}`,
  }));
  kernel.emit('r', events, 5);
  kernel.packs = 4;
  kernel.pack = (value) => gzipSync(JSON.stringify(value)).toString('base64');
  const store = new Store(kernel);
  const packed = await store.events('r');
  kernel.packs = 0;
  assert.deepEqual(packed, await store.events('r'));
  assert.equal(packed.length, 9);
});

test('a widget gives the recording that it holds, and none where it holds none', async () => {
  const recording = { info: runInfo('r', {}), events: [] };
  const bytes = gzipSync(JSON.stringify(recording));
  const model = (data: unknown): WidgetModel => ({
    get: (key) => (key === 'recording' ? data : ''),
    send: () => undefined,
    on: () => undefined,
    off: () => undefined,
  });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  assert.deepEqual(await recordingOf(model(view)), recording);
  assert.equal(recordingOf(model(new DataView(new ArrayBuffer(0)))), null);
  assert.equal(recordingOf(model(undefined)), null);
});
