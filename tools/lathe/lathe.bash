# SPDX-License-Identifier: MIT
# Completion for bash: source this file, or copy it to /usr/share/bash-completion/completions/lathe.
# The words come from lathe itself (`lathe complete`), so that they never differ from it.

# _lathe_words WHAT [OF]: asks lathe for words, with the server that the line names.
_lathe_words() {
  command timeout 2 "${COMP_WORDS[0]}" "${_lathe_server[@]}" complete "$@" 2>/dev/null
}

_lathe() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local verb= operand= kind= words= i
  local _lathe_server=()
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      --server | -s) _lathe_server+=(--server "${COMP_WORDS[++i]}") ;;
      --token-file | --cacert | --cert | --key) _lathe_server+=("${COMP_WORDS[i]}" "${COMP_WORDS[++i]}") ;;
      --kind) kind=${COMP_WORDS[++i]} ;;
      --param | -p | --out | --file | -o | --output | --backend | -b | --priority | --timeout | -t | --idempotency-key | -k | \
        --state | --client | --who | --what | --why | --write | --since | --limit | -n | --after | --for | --set | --name | --input-name | --shape | --lang | --dir | \
        --rounds | --max-rounds | --within | --warmup | --seed | --patience | --prefer-local | --html | --report | \
        --month | --from | --to | --by) ((i++)) ;;
      -*) ;;
      *) if [ -z "$verb" ]; then verb=${COMP_WORDS[i]}; elif [ -z "$operand" ]; then operand=${COMP_WORDS[i]}; fi ;;
    esac
  done

  case $before in
    --backend | -b) words=$(_lathe_words backends) ;;
    --kind) words=$(_lathe_words kinds) ;;
    --state) words="queued running completed failed cancelled" ;;
    --by) words="day kind backend client" ;;
    --shape) words="run remote exec" ;;
    --lang) words="c c++ python" ;;
    --param | -p)
      [ "$verb" != bench ] || operand=${kind:-mesh}
      words=$(_lathe_words params "$operand")
      compopt -o nospace 2>/dev/null
      ;;
    --out | -o | --output | --html | --report | --file | --token-file | --write | --dir | --cacert | --cert | --key)
      compopt -o default 2>/dev/null
      return
      ;;
    *)
      if [[ $word == -* ]]; then
        words=$(_lathe_words options "$verb")
      elif [ -z "$verb" ] || { [ "$verb" = help ] && [ -z "$operand" ]; }; then
        words=$(_lathe_words verbs)
      else
        case $verb in
          submit)
            if [ -z "$operand" ]; then
              words=$(_lathe_words kinds)
            else
              compopt -o default 2>/dev/null
              return
            fi
            ;;
          batch)
            case $operand in
              '') words="submit list show wait cancel get delete" ;;
              show | wait | cancel | get | delete) words=$(_lathe_words batches) ;;
              *) compopt -o default 2>/dev/null ;;
            esac
            ;;
          bench)
            compopt -o default 2>/dev/null
            return
            ;;
          backends)
            case $operand in
              '') words="use drain resume breaker warm" ;;
              use | drain | resume | breaker | warm) words=$(_lathe_words backends) ;;
            esac
            ;;
          help) words= ;;
          kinds | route) words=$(_lathe_words kinds) ;;
          plugin) [ -n "$operand" ] || words=new ;;
          watch | show | why | log | cancel | retry | delete | get) words=$(_lathe_words jobs) ;;
        esac
      fi
      ;;
  esac
  # Not by compgen -W, which expands the words as the shell does: some come from the server.
  local one
  while IFS= read -r one; do
    [[ -n $one && $one == "$word"* ]] && COMPREPLY+=("$one")
  done <<<"${words// /$'\n'}"
}

complete -F _lathe lathe
