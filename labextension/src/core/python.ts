/** What a piece of Python code is, for colouring. */
export type TokenKind =
  '' | 'comment' | 'keyword' | 'string' | 'number' | 'builtin' | 'def' | 'meta';

/** A piece of code; the pieces together are the code. */
export type Token = readonly [kind: TokenKind, text: string];

const KEYWORDS = new Set(
  (
    'False None True and as assert async await break class continue def del elif else except ' +
    'finally for from global if import in is lambda nonlocal not or pass raise return try while ' +
    'with yield match case'
  ).split(' '),
);
const BUILTINS = new Set(
  (
    'abs all any bool bytes dict enumerate filter float format frozenset getattr hasattr int ' +
    'isinstance iter len list map max min next object open print range repr reversed round set ' +
    'sorted str sum super tuple type zip Exception ValueError KeyError TypeError ' +
    'llm_query llm_query_batched rlm_query rlm_query_batched FINAL FINAL_VAR SHOW_VARS ask_human ' +
    'context history answer'
  ).split(' '),
);
const PIECE = new RegExp(
  [
    '(?<comment>#[^\\n]*)',
    '(?<string>[rRbBuUfFtT]{0,3}(?:"""(?:[^\\\\]|\\\\[^])*?(?:"""|$)|\'\'\'(?:[^\\\\]|\\\\[^])*?(?:\'\'\'|$)' +
      '|"(?:[^"\\\\\\n]|\\\\[^])*"?|\'(?:[^\'\\\\\\n]|\\\\[^])*\'?))',
    '(?<number>\\b(?:0[xXoObB][\\da-fA-F_]+|\\d[\\d_]*(?:\\.[\\d_]*)?(?:[eE][+-]?\\d+)?j?))',
    '(?<meta>^[ \\t]*@[\\w.]+|^[ \\t]*[%!][^\\n]*)',
    '(?<word>[A-Za-z_\\u0080-\\uffff][\\w\\u0080-\\uffff]*)',
  ].join('|'),
  'gm',
);
const MOST = 200_000;

/** Cut Python code into pieces to colour; very long code is one piece. */
export function tokens(code: string): Token[] {
  if (code.length > MOST) {
    return [['', code]];
  }
  const found: Token[] = [];
  let at = 0;
  let before = '';
  const push = (kind: TokenKind, text: string) => {
    const last = found[found.length - 1];
    if (last !== undefined && last[0] === kind) {
      found[found.length - 1] = [kind, last[1] + text];
    } else if (text !== '') {
      found.push([kind, text]);
    }
  };
  for (const match of code.matchAll(PIECE)) {
    push('', code.slice(at, match.index));
    const text = match[0];
    const groups = match.groups ?? {};
    let kind: TokenKind = '';
    if (groups.comment !== undefined) {
      kind = 'comment';
    } else if (groups.string !== undefined) {
      kind = 'string';
    } else if (groups.number !== undefined) {
      kind = 'number';
    } else if (groups.meta !== undefined) {
      kind = 'meta';
    } else if (before === 'def' || before === 'class') {
      kind = 'def';
    } else if (KEYWORDS.has(text)) {
      kind = 'keyword';
    } else if (BUILTINS.has(text) && code[match.index - 1] !== '.') {
      kind = 'builtin';
    }
    push(kind, text);
    before = text;
    at = match.index + text.length;
  }
  push('', code.slice(at));
  return found;
}

/** The pieces of each line. */
export function tokenLines(code: string): Token[][] {
  return linesOf(tokens(code));
}

/** Sort pieces by the line they are in; one that goes over lines is cut. */
export function linesOf<K extends string>(
  pieces: readonly (readonly [kind: K, text: string])[],
): (readonly [kind: K, text: string])[][] {
  const found: (readonly [kind: K, text: string])[][] = [[]];
  for (const [kind, text] of pieces) {
    text.split('\n').forEach((part, i) => {
      if (i > 0) {
        found.push([]);
      }
      if (part !== '') {
        found[found.length - 1]?.push([kind, part]);
      }
    });
  }
  return found;
}
