import type { JSX } from 'preact';

/** The look of a status: every one has a shape of its own, not only a colour. */
type Tone = 'good' | 'bad' | 'warn' | 'ask' | 'live' | 'quiet';

interface Look {
  tone: Tone;
  shape: JSX.Element;
}

const CHECK = <path d="M3.5 8.5l3 3 6-7" />;
const CROSS = <path d="M4 4l8 8M12 4l-8 8" />;
const SQUARE = <rect x="4" y="4" width="8" height="8" rx="1" class="rlm-fill" />;
const HALF = (
  <>
    <circle cx="8" cy="8" r="5" />
    <path d="M8 3a5 5 0 0 0 0 10z" class="rlm-fill" />
  </>
);
const SLASH = (
  <>
    <circle cx="8" cy="8" r="5" />
    <path d="M4.5 11.5l7-7" />
  </>
);
const BACK = <path d="M7 4L3.5 7.5 7 11M4 7.5h5.5a3 3 0 0 1 0 6H8" />;
const QUESTION = <path d="M5.5 6a2.5 2.5 0 1 1 3.6 2.2C8.3 8.7 8 9.2 8 10M8 12.600v.2" />;
const PAUSE = <path d="M5.5 4v8M10.5 4v8" class="rlm-thick" />;
const RING = <circle cx="8" cy="8" r="4.5" />;
const DOT = <circle cx="8" cy="8" r="2" class="rlm-fill" />;
const ARC = <path d="M8 3a5 5 0 1 1-4.6 3" />;
const HAND = <path d="M8 13.500V8M8 8L5 10.500M8 8l3 2.500M8 8V2.5" />;
const AGAIN = <path d="M12.5 8a4.5 4.5 0 1 1-1.5-3.300M12.5 3v2.500H10" />;

const LOOKS: Record<string, Look> = {
  ok: { tone: 'good', shape: CHECK },
  done: { tone: 'good', shape: CHECK },
  error: { tone: 'bad', shape: CROSS },
  failed: { tone: 'bad', shape: CROSS },
  died: { tone: 'bad', shape: CROSS },
  timeout: { tone: 'bad', shape: CROSS },
  memory: { tone: 'bad', shape: CROSS },
  partial: { tone: 'warn', shape: HALF },
  cancelled: { tone: 'warn', shape: SQUARE },
  stopped: { tone: 'warn', shape: SQUARE },
  interrupted: { tone: 'warn', shape: SQUARE },
  'not finished': { tone: 'quiet', shape: SQUARE },
  'set aside': { tone: 'quiet', shape: SLASH },
  rejected: { tone: 'warn', shape: SLASH },
  responded: { tone: 'warn', shape: BACK },
  proposed: { tone: 'ask', shape: QUESTION },
  asking: { tone: 'ask', shape: QUESTION },
  paused: { tone: 'ask', shape: PAUSE },
  'taken over': { tone: 'ask', shape: HAND },
  retrying: { tone: 'warn', shape: AGAIN },
  open: { tone: 'quiet', shape: RING },
  unknown: { tone: 'quiet', shape: DOT },
  decided: { tone: 'live', shape: ARC },
  running: { tone: 'live', shape: ARC },
};
const RUNNING: Look = { tone: 'live', shape: ARC };

function look(status: string): Look {
  return (Object.hasOwn(LOOKS, status) ? LOOKS[status] : undefined) ?? RUNNING;
}

/** Whether a shape turns; as a whole, so that the page isn't painted for it. */
function turns(shape: JSX.Element): boolean {
  return shape === ARC || shape === AGAIN;
}

/** How a status is coloured. */
export function tone(status: string): Tone {
  return look(status).tone;
}

/** The shape of a status; the word belongs beside it. */
export function StatusIcon({ status }: { status: string }): JSX.Element {
  const { tone, shape } = look(status);
  return (
    <svg
      class={`rlm-icon rlm-${tone}${turns(shape) ? ' rlm-spin' : ''}`}
      viewBox="0 0 16 16"
      aria-hidden="true"
    >
      {shape}
    </svg>
  );
}

const ACTIONS = {
  play: <path d="M5 3.500v9l7-4.500z" class="rlm-fill" />,
  pause: PAUSE,
  step: <path d="M4 3.500v9l6-4.500zM11.5 3.500v9" class="rlm-fill" />,
  stop: SQUARE,
  hand: (
    <path d="M5 8V4.500a1 1 0 0 1 2 0V3.500a1 1 0 0 1 2 0v1a1 1 0 0 1 2 0V10a4 4 0 0 1-4 4c-2 0-3-1-4-3.5" />
  ),
  back: BACK,
  check: CHECK,
  cross: CROSS,
  pencil: <path d="M3.5 12.500l.7-2.8 6.5-6.5 2.1 2.1-6.5 6.500z" />,
  copy: <path d="M6 6h6.500v6.500H6zM3.5 10V3.500H10" />,
  search: <path d="M7 3a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM10 10l3.5 3.5" />,
  focus: <path d="M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3" />,
  cell: <path d="M6 5L3 8l3 3M10 5l3 3-3 3" />,
  filter: <path d="M3 4.500h10M5 8h6M7 11.500h2" />,
  help: QUESTION,
  past: (
    <path
      d="M3.5 8a4.5 4.5 0 1 0 1.5-3.300M3.5 3v2.500H6M7 6.200v3.600L9.800 8z"
      class="rlm-past-icon"
    />
  ),
  branch: (
    <path d="M5 5.500v5M5 10.500a1.500 1.500 0 1 0 .01 0M5 5.500a1.500 1.500 0 1 1 .01 0M11 5.500a1.500 1.500 0 1 1 .01 0M11 5.500c0 2.500-2 3-4 3.200-1.300.2-2 .6-2 1.800" />
  ),
  follow: (
    <>
      <circle cx="8" cy="8" r="4" />
      <path d="M8 1.500v3M8 11.500v3M1.500 8h3M11.500 8h3" />
    </>
  ),
  again: <path d="M12.5 8a4.5 4.5 0 1 1-1.5-3.300M12.5 3v2.500H10" />,
} as const;

/** The picture on a button; the button's name says what it does. */
export function ActionIcon({ name }: { name: keyof typeof ACTIONS }): JSX.Element {
  return (
    <svg class="rlm-icon" viewBox="0 0 16 16" aria-hidden="true">
      {ACTIONS[name]}
    </svg>
  );
}
