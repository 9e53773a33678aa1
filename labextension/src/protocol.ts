// Made by scripts/typescript.py of rlm_kernel/protocol; don't edit.

export const PROTOCOL_VERSION = 1;
export const FRONT_VERSION = 1;
export const COMM_ID = "rlm";
export const COMM_TARGET = "rlm";
export const REQUEST = "rlm_request";
export const REPLY = "rlm_reply";

export type NodeKind = "session" | "run" | "turn" | "cell" | "batch" | "call" | "solve" | "step";

export type Author = "model" | "human";

export type CellStatus = "ok" | "error" | "interrupted" | "timeout" | "memory" | "died";

export type CallStatus = "ok" | "error" | "cancelled";

export type RunStatus = "done" | "partial" | "failed" | "stopped";

export type Phase = "starting" | "thinking" | "proposed" | "running" | "asking" | "paused" | "taken over" | "done" | "partial" | "failed" | "stopped";

export type DecisionKind = "approve" | "edit" | "reject" | "respond";

export type Executor = "notebook" | "inline" | "kernel" | "background";

/** What calls used; adds up. */
export interface Usage {
  input_tokens?: number;
  output_tokens?: number;
  cached_tokens?: number;
  cost?: number | null;
  known_cost?: number;
  calls?: number;
  seconds?: number;
}

/** A run began; ``parent`` is None for the top run, else the cell or session that asked. */
export interface RunStarted {
  type: "run.started";
  node: string;
  parent?: string | null;
  run_id?: string;
  question?: string;
  name?: string;
  context?: (Record<string, unknown>)[];
  model?: string;
  sub_model?: string;
  mode?: string;
  where?: string;
  depth?: number;
  line?: number | null;
  index?: number | null;
  config?: Record<string, unknown>;
  sandbox?: string;
}

/** The two messages that the root starts from, as it gets them. */
export interface RunOpened {
  type: "run.opened";
  node: string;
  system?: string;
  first?: string;
}

/** A run whose process ended, or that had ended without an answer, was picked up again; or a */
export interface RunResumed {
  type: "run.resumed";
  node: string;
  turns?: number;
  branch?: string;
  model?: string;
  sub_model?: string;
  where?: string;
  sandbox?: string;
}

/** A notebook session began: calls typed outside a run belong to it. */
export interface SessionStarted {
  type: "session.started";
  node: string;
  title?: string;
}

/** A run went to another phase; ``reason`` is one plain sentence where a person wants one. */
export interface PhaseChanged {
  type: "run.phase";
  node: string;
  phase?: "starting" | "thinking" | "proposed" | "running" | "asking" | "paused" | "taken over" | "done" | "partial" | "failed" | "stopped";
  reason?: string;
}

/** How proposals are decided was changed while the run went on. */
export interface ModeChanged {
  type: "run.mode";
  node: string;
  mode?: string;
  by?: string;
}

/** The budget was set anew while the run went on. */
export interface BudgetChanged {
  type: "run.budget";
  node: string;
  budget?: Record<string, unknown>;
  by?: string;
}

/** A run ended. ``answer`` is its text form; ``partial`` is never passed off as an answer. */
export interface RunEnded {
  type: "run.ended";
  node: string;
  status?: "done" | "partial" | "failed" | "stopped";
  answer?: string | null;
  answer_type?: string;
  forced?: boolean;
  reason?: string;
  seconds?: number;
}

/** The root was asked for its next message. */
export interface TurnStarted {
  type: "turn.started";
  node: string;
  parent?: string;
  number?: number;
  of?: number;
  told?: string;
}

/** A turn is over; ``observation`` is what the root model will be told of it. */
export interface TurnEnded {
  type: "turn.ended";
  node: string;
  status?: string;
  observation?: string;
  header?: string;
}

/** Code is proposed (by the model) or written (by a person who took over). */
export interface CellProposed {
  type: "cell.proposed";
  node: string;
  parent?: string;
  code?: string;
  author?: "model" | "human";
  number?: number;
  place?: string;
  estimate?: Record<string, unknown>;
}

/** What became of a proposal, and who decided. */
export interface CellDecided {
  type: "cell.decided";
  node: string;
  decision?: "approve" | "edit" | "reject" | "respond";
  by?: string;
  code?: string | null;
  reason?: string;
  text?: string;
}

/** A cell began to run. */
export interface CellStarted {
  type: "cell.started";
  node: string;
  where?: string;
}

/** A cell ended. ``output`` is what is kept in the log of its output (head and tail). */
export interface CellEnded {
  type: "cell.ended";
  node: string;
  status?: "ok" | "error" | "interrupted" | "timeout" | "memory" | "died";
  output?: string;
  output_chars?: number;
  result?: string | null;
  error?: string | null;
  traceback?: string;
  seconds?: number;
  waited?: number;
  changed?: string[];
  note?: string;
  refused?: number;
}

/** A running cell wants calls that a person is to allow first; ``node`` is the cell. */
export interface CallsProposed {
  type: "calls.proposed";
  node: string;
  ask?: string;
  calls?: number;
  tokens?: number;
  cost?: number | null;
  line?: number | null;
  reason?: string;
}

/** What became of calls that waited to be allowed: ``approve`` or ``reject``, and by whom. */
export interface CallsDecided {
  type: "calls.decided";
  node: string;
  ask?: string;
  decision?: "approve" | "edit" | "reject" | "respond";
  by?: string;
  reason?: string;
}

/** Several calls (``kind="llm"``) or children (``"rlm"``) are issued together. */
export interface BatchStarted {
  type: "batch.started";
  node: string;
  parent?: string;
  kind?: "llm" | "rlm";
  size?: number;
  line?: number | null;
}

/** A batch is over. */
export interface BatchEnded {
  type: "batch.ended";
  node: string;
  ok?: number;
  failed?: number;
}

/** A completion is asked for; ``role`` is root, sub, fold, closing or human (a question). */
export interface CallStarted {
  type: "call.started";
  node: string;
  parent?: string;
  role?: string;
  model?: string;
  prompt?: string;
  name?: string;
  depth?: number;
  line?: number | null;
  index?: number | null;
  note?: string;
  choices?: string[];
}

/** A piece of a reply as it streams in. */
export interface CallText {
  type: "call.text";
  node: string;
  text?: string;
}

/** An attempt failed and another will be made after ``wait`` seconds. */
export interface CallRetried {
  type: "call.retried";
  node: string;
  attempt?: number;
  wait?: number;
  error?: string;
}

/** A completion is over: the whole text, what it used, or what went wrong. */
export interface CallEnded {
  type: "call.ended";
  node: string;
  status?: "ok" | "error" | "cancelled";
  text?: string;
  model?: string;
  finish?: string;
  cached?: boolean;
  key?: string;
  usage?: Record<string, unknown>;
  first_token?: number | null;
  error?: string;
  error_kind?: string;
}

/** A puzzle is given to a small network that is applied to it again and again. */
export interface SolveStarted {
  type: "solve.started";
  node: string;
  parent?: string;
  task?: string;
  model?: string;
  puzzle?: string;
  parameters?: number;
  of?: number;
  line?: number | null;
}

/** A step of a solve is over; ``parent`` is the solve. */
export interface SolveStep {
  type: "solve.step";
  node: string;
  parent?: string;
  number?: number;
  calls?: number;
  grid?: string;
  changed?: number;
  wrong?: number;
  halt?: number;
  moved?: number;
  frames?: (Record<string, unknown>)[];
}

/** A solve is over: ``solved`` and ``said`` are the rules' word on the answer, a grid. */
export interface SolveEnded {
  type: "solve.ended";
  node: string;
  status?: "ok" | "error" | "cancelled";
  solved?: boolean;
  said?: string;
  answer?: string;
  steps?: number;
  calls?: number;
  seconds?: number;
  error?: string;
}

/** A cell submitted an answer: accepted, or refused with the reason the model is told. */
export interface AnswerGiven {
  type: "answer.given";
  node: string;
  accepted?: boolean;
  answer?: string;
  via?: string;
  reason?: string;
}

/** The root's older messages were folded into a summary; all stays in ``history``. */
export interface Folded {
  type: "run.folded";
  node: string;
  messages?: number;
  tokens_before?: number;
  tokens_after?: number;
  summary?: string;
}

/** A sentence for the person watching. */
export interface Noted {
  type: "note";
  node: string;
  text?: string;
  level?: "info" | "warning" | "error";
}

export type Event =
  | RunStarted
  | RunOpened
  | RunResumed
  | SessionStarted
  | PhaseChanged
  | ModeChanged
  | BudgetChanged
  | RunEnded
  | TurnStarted
  | TurnEnded
  | CellProposed
  | CellDecided
  | CellStarted
  | CellEnded
  | CallsProposed
  | CallsDecided
  | BatchStarted
  | BatchEnded
  | CallStarted
  | CallText
  | CallRetried
  | CallEnded
  | SolveStarted
  | SolveStep
  | SolveEnded
  | AnswerGiven
  | Folded
  | Noted;

/** An event as it is pushed: its number and time, and how long its cut texts are. */
export type Logged = { seq: number; time: number; event: Event; cut?: Record<string, number> };

/** Run the proposal as it is; or let the calls be made that wait to be allowed. */
export interface Approve {
  type: "approve";
  client?: string;
  id?: string;
  proposal?: string;
}

/** Run this code instead of the proposal; the difference is kept and the model is shown it. */
export interface Edit {
  type: "edit";
  client?: string;
  id?: string;
  proposal?: string;
  code?: string;
}

/** Don't run the proposal, or don't make the calls; the model is told why. */
export interface Reject {
  type: "reject";
  client?: string;
  id?: string;
  proposal?: string;
  reason?: string;
}

/** Give the observation by hand, without running the proposal. */
export interface Respond {
  type: "respond";
  client?: string;
  id?: string;
  proposal?: string;
  text?: string;
}

/** Pause at the next boundary (a proposal not yet run, or the end of the running cell). */
export interface Pause {
  type: "pause";
  client?: string;
  id?: string;
}

/** Go on where the run was paused, with the same proposal. */
export interface Resume {
  type: "resume";
  client?: string;
  id?: string;
}

/** Let the waiting proposal run, and wait again at the next one. */
export interface Step {
  type: "step";
  client?: string;
  id?: string;
}

/** Go on without asking until something happens, then wait at the next proposal. */
export interface RunTo {
  type: "run to";
  client?: string;
  id?: string;
  until?: string;
}

/** End the run at once: the running cell is interrupted, calls in flight are cancelled. */
export interface Stop {
  type: "stop";
  client?: string;
  id?: string;
}

/** Interrupt the running cell and pause; with no cell running, pause at once. */
export interface Interrupt {
  type: "interrupt";
  client?: string;
  id?: string;
}

/** Cancel one node and what is below it: a call, a batch, a child run. */
export interface Cancel {
  type: "cancel";
  client?: string;
  id?: string;
  node?: string;
}

/** Try a call in flight again, from the start. */
export interface Retry {
  type: "retry";
  client?: string;
  id?: string;
  node?: string;
}

/** Answer a call in flight, or a question to a person, by hand. */
export interface AnswerCall {
  type: "answer";
  client?: string;
  id?: string;
  node?: string;
  text?: string;
}

/** The person writes the cells from here on; the run waits. */
export interface TakeOver {
  type: "take over";
  client?: string;
  id?: string;
}

/** The model goes on, and is told what the person did and this note. */
export interface HandBack {
  type: "hand back";
  client?: string;
  id?: string;
  note?: string;
}

/** Change how proposals are decided: ``"auto"``, ``"step"`` or ``"ask when …"``. */
export interface SetMode {
  type: "mode";
  client?: string;
  id?: string;
  mode?: string;
}

/** Set the budget anew (``"$2"``, ``"2000 calls"``); what was used stays used. */
export interface SetBudget {
  type: "budget";
  client?: string;
  id?: string;
  budget?: string;
}

export type Command =
  | Approve
  | Edit
  | Reject
  | Respond
  | Pause
  | Resume
  | Step
  | RunTo
  | Stop
  | Interrupt
  | Cancel
  | Retry
  | AnswerCall
  | TakeOver
  | HandBack
  | SetMode
  | SetBudget;

/** The answer to a command: whether it was taken, the phase then, and why not. */
export interface Ack {
  ok: boolean;
  phase: string;
  message: string;
}

/** A cell that waits: for a person (``asks``), or only for whoever executes the cells. */
export interface PendingInfo {
  cell: string;
  code: string;
  number: number;
  turn: number;
  asks: boolean;
  decided: boolean;
  held_by: string;
  leased_by: string;
  executing: boolean;
  estimate: Record<string, unknown>;
}

/** Calls that wait for a person's decision, before they cost anything. */
export interface AskInfo {
  ask: string;
  cell: string;
  calls: number;
  tokens: number;
  cost: number | null;
  line: number | null;
  reason: string;
}

/** One limit of the budget; ``limit`` None: there is none, ``used`` None: unknown. */
export interface Meter {
  used: number | null;
  limit: number | null;
  refused: number;
}

/** A run as a front end shows it in a list or a toolbar; the rest is in the events. */
export interface RunInfo {
  run: string;
  name: string;
  node: string;
  question: string;
  phase: string;
  reason: string;
  ended: boolean;
  answer: string | null;
  mode: string;
  where: string;
  model: string;
  sandbox: string;
  folder: string;
  executor: "notebook" | "inline" | "kernel" | "background";
  anchor: string;
  session: string;
  seq: number;
  started: number;
  pending: PendingInfo | null;
  asking: AskInfo | null;
  budget: Record<string, Meter>;
  in_flight: number;
  questions: number;
  interrupting: boolean;
  recorded: boolean;
  branch_of: string;
  branch_turn: number;
}

/** Say what there is; a front end asks at its start and after every doubt. */
export interface Sync {
  type: "sync";
  client?: string;
  id?: string;
}

/** Give the events of a run after ``since``, at most ``limit``; long texts are cut. */
export interface GetEvents {
  type: "events";
  client?: string;
  id?: string;
  run?: string;
  since?: number;
  limit?: number;
  packed?: boolean;
}

/** Give characters ``start:stop`` of a text of a node: prompt, text, code, output, … */
export interface GetText {
  type: "text";
  client?: string;
  id?: string;
  run?: string;
  node?: string;
  field?: string;
  start?: number;
  stop?: number;
}

/** Give what the cell that asked the question shows of the run now, whole. */
export interface GetShown {
  type: "shown";
  client?: string;
  id?: string;
  run?: string;
}

/** Have the reply of these calls pushed as it streams in, instead of those watched before. */
export interface Watch {
  type: "watch";
  client?: string;
  id?: string;
  run?: string;
  nodes?: string[];
}

/** Send a command (``protocol.control``) to a run; the reply holds its ``Ack``. */
export interface Steer {
  type: "steer";
  client?: string;
  id?: string;
  run?: string;
  command?: Record<string, unknown>;
}

/** Take on the placing and executing of a run's cells; ``session`` is the kernel client's. */
export interface Claim {
  type: "claim";
  client?: string;
  id?: string;
  run?: string;
  session?: string;
}

/** Take on the placing (and, where it is to run, the running) of one cell, for some seconds. */
export interface Lease {
  type: "lease";
  client?: string;
  id?: string;
  run?: string;
  cell?: string;
  session?: string;
}

/** Keep the pending cell from running by itself: a person is in it, or has changed it. */
export interface Hold {
  type: "hold";
  client?: string;
  id?: string;
  run?: string;
  cell?: string;
  on?: boolean;
}

/** Say that the next execution of this very source is that cell. */
export interface Arm {
  type: "arm";
  client?: string;
  id?: string;
  run?: string;
  cell?: string;
  source?: string;
  queued?: boolean;
}

/** Begin a branch of a run, live, ended or recorded, in a kernel of its own. */
export interface Fork {
  type: "fork";
  client?: string;
  id?: string;
  run?: string;
  turn?: number;
  change?: string;
  node?: string;
  text?: string;
  model?: string;
}

export type Request =
  | Sync
  | GetEvents
  | GetText
  | GetShown
  | Watch
  | Steer
  | Claim
  | Lease
  | Hold
  | Arm
  | Fork;

/** The answer to a request; ``ok`` False comes with one sentence. */
export interface Reply {
  v: number;
  ok: boolean;
  message: string;
  to: string;
}

/** What there is in this kernel. ``kernel`` is new after each restart of it. */
export interface SyncReply {
  v: number;
  ok: boolean;
  message: string;
  to: string;
  kernel: string;
  version: string;
  runs: RunInfo[];
  notice: string;
}

/** Events of a run, oldest first; ``more`` where the limit cut them off. */
export interface EventsReply {
  v: number;
  ok: boolean;
  message: string;
  to: string;
  run: string;
  events: (Record<string, unknown>)[];
  packed: string;
  seq: number;
  more: boolean;
}

/** A piece of a text and how long the whole is. */
export interface TextReply {
  v: number;
  ok: boolean;
  message: string;
  to: string;
  text: string;
  start: number;
  chars: number;
}

/** A display: its texts by MIME type, and its metadata. */
export interface ShownReply {
  v: number;
  ok: boolean;
  message: string;
  to: string;
  data: Record<string, string>;
  metadata: Record<string, unknown>;
}

/** The answer to a command: the phase after it. */
export interface SteerReply {
  v: number;
  ok: boolean;
  message: string;
  to: string;
  phase: string;
}

/** The branch that has begun. */
export interface ForkReply {
  v: number;
  ok: boolean;
  message: string;
  to: string;
  info: RunInfo | null;
}

/** A lease lasts ``seconds`` unless it is renewed. */
export interface LeaseReply {
  v: number;
  ok: boolean;
  message: string;
  to: string;
  seconds: number;
}

/** New events of a run; a gap between ``since`` and what is known means: ask for them. */
export interface EventsPush {
  kind: "events";
  run: string;
  since: number;
  events: (Record<string, unknown>)[];
  seq: number;
}

/** A run is there, or what is known of it has changed. */
export interface RunPush {
  kind: "run";
  info: RunInfo;
}

/** What has streamed in of a watched call: ``text`` goes to position ``at``. */
export interface TextPush {
  kind: "text";
  run: string;
  node: string;
  text: string;
  at: number;
}

/** The kernel unloads us, or ends. */
export interface Bye {
  kind: "bye";
}

export type Push =
  | EventsPush
  | RunPush
  | TextPush
  | Bye;
