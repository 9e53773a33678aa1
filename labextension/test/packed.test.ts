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
  const info = runInfo('r', {});
  const event = (seq: number) => ({ seq, time: seq, event: { type: 'noted' } });
  const pages = [info, [event(1), event(2)], [event(3)]];
  const model = (data: unknown): WidgetModel => ({
    get: (key) => (key === 'recording' ? data : ''),
    send: () => undefined,
    on: () => undefined,
    off: () => undefined,
  });
  const views = pages.map((one) => {
    const bytes = gzipSync(JSON.stringify(one));
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  });
  assert.deepEqual(await recordingOf(model(views)), {
    info,
    events: [event(1), event(2), event(3)],
  });
  assert.equal(recordingOf(model([])), null);
  assert.equal(recordingOf(model(undefined)), null);
});
