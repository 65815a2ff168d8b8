#!/usr/bin/env python3
"""Writes the prompts that `transformers` renders: templates in the style of the model families, by many conversations.

The templates are written for this test; each holds what its family's real ones need of Jinja. It is not part of
`make test`; what it wrote is committed.

    python3 -m pip install transformers jinja2
    python3 tests/reference/templates.py

With a folder of real templates it compares instead: `wick_render` is a program that takes a line of JSON
(`source`, `specials`, `cases`) and answers with a line of prompts (`{"ok": …}` or `{"err": …}`).

    python3 tests/reference/templates.py FOLDER wick_render
"""

import copy
import json
import pathlib
import subprocess
import sys

from transformers.utils.chat_template_utils import render_jinja_template

HERE = pathlib.Path(__file__).parent
SPECIALS = {"bos_token": "<s>", "eos_token": "</s>"}

# Turns in a loop, a default system turn, tools as JSON lines, calls as JSON (ChatML, Qwen 2.5, Hermes).
CHATML = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
    {{- "# Tools\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- else %}
    {{- '<|im_start|>system\\nYou are helpful.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) or (message.role == 'assistant' and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}{{- '\\n' + message.content }}{%- endif %}
        {%- for call in message.tool_calls %}
            {%- if call.function is defined %}{%- set call = call.function %}{%- endif %}
            {{- '\\n<tool_call>\\n{"name": "' ~ call.name ~ '", "arguments": ' ~ (call.arguments | tojson) ~ '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == 'tool' %}
        {%- if loop.index0 == 0 or messages[loop.index0 - 1].role != 'tool' %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
        {%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{- '<|im_end|>\\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""

# A namespace that looks for the last question, a list read backwards, thinking split out of texts (Qwen 3).
THINKING = """{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}{%- set content = message.content %}{%- else %}{%- set content = '' %}{%- endif %}
    {%- if message.role != "assistant" %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- else %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index and (loop.last or reasoning_content) %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}
"""

# Headers, trimmed texts, tools indented, a date, one call a turn, refusals (Llama 3).
HEADERS = """{{- bos_token }}
{%- if not date_string is defined %}{%- set date_string = "26 Jul 2024" %}{%- endif %}
{%- if not tools is defined %}{%- set tools = none %}{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\nToday: " + date_string + "\\n\\n" }}
{%- if tools is not none %}
    {%- for t in tools %}{{- t | tojson(indent=4) }}{{- "\\n\\n" }}{%- endfor %}
{%- endif %}
{{- system_message }}{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("This model only supports single tool-calls at once!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
        {{- '{"name": "' + tool_call.name + '", ' }}{{- '"parameters": ' }}{{- tool_call.arguments | tojson }}{{- "}<|eot_id|>" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable %}{{- message.content | tojson }}{%- else %}{{- message.content }}{%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}
"""

# No system turn, turns that must alternate, other names of roles (Gemma 2).
TURNS = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{% for message in messages %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}
{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}
{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}
{% endfor %}
{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}
"""

# Tools before the last question, ids of nine letters, filters over lists (Mistral).
INSTRUCT = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS][" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}{{- '"' + key + '": "' + val + '"' }}{%- else %}{{- '"' + key + '": ' + val|tojson }}{%- endif %}
                    {%- if not loop.last %}{{- ", " }}{%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" }}{%- endif %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}{{- "[INST]" + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}{{- "[INST]" + message["content"] + "[/INST]" }}{%- endif %}
    {%- elif (message.tool_calls is defined and message.tool_calls is not none) %}
        {{- "[TOOL_CALLS][" }}
        {%- for tool_call in message.tool_calls %}
            {%- set out = tool_call.function|tojson %}
            {{- out[:-1] }}
            {%- if not tool_call.id is defined or tool_call.id|length != 9 %}{{- raise_exception("Tool call IDs should be alphanumeric strings with length 9!") }}{%- endif %}
            {{- ', "id": "' + tool_call.id + '"}' }}
            {%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" + eos_token }}{%- endif %}
        {%- endfor %}
    {%- elif message["role"] == "assistant" %}{{- message["content"] + eos_token}}
    {%- elif message["role"] == "tool" %}
        {{- '[TOOL_RESULTS]{"content": ' + message.content|string + ", " }}{{- '"call_id": "' + message.tool_call_id + '"}[/TOOL_RESULTS]' }}
    {%- endif %}
{%- endfor %}
"""

# Macros that call themselves over a schema, dictsort, joined keys, printed lists (gpt-oss, Gemma 4).
MACROS = """{%- macro type_of(spec) -%}
    {%- if spec.type == "array" -%}
        {%- if spec['items'] -%}{{- type_of(spec['items']) + "[]" }}{%- else -%}any[]{%- endif -%}
    {%- elif spec.type is defined and spec.type is iterable and spec.type is not string -%}
        {{- spec.type | join(" | ") }}
    {%- elif spec.enum -%}{{- '"' + spec.enum|join('" | "') + '"' -}}
    {%- elif spec.type == "object" and spec.properties -%}
        {{- "{ " }}
        {%- for name, prop in spec.properties.items() -%}
            {{- name -}}{%- if name not in (spec.required or []) -%}?{%- endif -%}: {{ type_of(prop) }}
            {%- if not loop.last %}, {% endif -%}
        {%- endfor -%}
        {{- " }" }}
    {%- else -%}{{- spec.type | default('any') | upper -}}{%- endif -%}
    {%- if spec.default is defined %} // default: {{ spec.default }}{% endif -%}
{%- endmacro -%}
{%- if tools %}
    {%- for tool in tools %}
        {%- set tool = tool.function %}
        {{- "type " + tool.name + " = (" + type_of(tool.parameters) + ")\\n" }}
        {%- for key, value in tool.parameters.properties | dictsort %}{{- "- " ~ key ~ " " ~ (value.keys() | list) ~ "\\n" }}{%- endfor %}
    {%- endfor %}
{%- endif %}
{%- for message in messages %}
    {{- "<|start|>" + message.role }}
    {%- if message.role == "assistant" and message.thinking %}{{- "<|channel|>analysis<|message|>" + message.thinking + "<|end|><|start|>assistant" }}{%- endif %}
    {%- for call in message.tool_calls or [] %}
        {{- " to=functions." + call.function.name + "<|message|>" }}
        {%- for key, value in call.function.arguments.items() %}{{- key ~ "=" ~ value ~ ";" }}{%- endfor %}
    {%- else %}{{- "<|message|>" + message.content }}{%- endfor %}
    {{- "<|end|>" }}
{%- endfor %}
{%- if add_generation_prompt %}<|start|>assistant{% endif %}
"""

# Calls joined with texts: their arguments must be one (DeepSeek V3).
TEXT_ARGUMENTS = """{% set ns = namespace(is_first=false, system_prompt='') %}{%- for message in messages %}{%- if message['role'] == 'system' %}{% set ns.system_prompt = ns.system_prompt + message['content'] %}{%- endif %}{%- endfor %}{{bos_token}}{{ns.system_prompt}}{%- for message in messages %}{%- if message['role'] == 'user' %}{{'<User>' + message['content']}}{%- endif %}{%- if message['role'] == 'assistant' and message['tool_calls'] %}{%- for tool in message['tool_calls'] %}{{'<call>' + tool['type'] + '<sep>' + tool['function']['name'] + '\\n```json\\n' + tool['function']['arguments'] + '\\n```'}}{%- endfor %}{{'<end>'}}{%- elif message['role'] == 'assistant' %}{% set content = message['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{'<Assistant>' + content + '<end>'}}{%- endif %}{%- if message['role'] == 'tool' %}{{'<output>' + message['content']}}{%- endif %}{%- endfor -%}{% if add_generation_prompt %}{{'<Assistant><think>\\n'}}{% endif %}"""

# Contents as lists of parts, a trainer's marks, methods of Python's values, breaks, formats.
PARTS = """{%- set image_count = namespace(value=0) -%}
{% for message in messages %}
  {%- if message.role == 'tool' %}{% continue %}{% endif -%}
  {% generation %}
  <{{ '%s' | format(message.role | title) }}>
  {% endgeneration %}
  {%- for part in message.content -%}
    {%- if part.type == 'text' -%}{{ part.text.strip().replace('\\n', ' / ') }}{%- else -%}{%- set image_count.value = image_count.value + 1 -%}{%- endif -%}
  {%- endfor %} {{ loop.cycle('odd', 'even') }} {{ loop.revindex }}
  {# a comment #}
{% endfor %}
{{ (tools or []) | map(attribute='function') | map(attribute='name') | join(', ') }}
{{ (tools or []) | rejectattr('function.name', 'equalto', 'stop') | list | length }} {{ [1, 2.0, none, true, 'é', {'k': [1e20, 0.1]}] }} {{ 7 // 2 }} {{ 7 / 2 }} {{ -7 % 3 }} {{ 2 ** 5 }}
{%- for i in range(5, 0, -2) %} {{ i }}{% if i == 3 %}{% break %}{% endif %}{% endfor %}
{{ {'a': 1, 'b': 2}.get('c', 'none') ~ ('x' * 3) ~ [3, 1, 2] | sort | string ~ 'abc'[::-1] ~ 'A-b'.lower().split('-') }}
{%- if add_generation_prompt %}<Assistant>{% endif %}"""

TEMPLATES = {
    "chatml": CHATML,
    "thinking": THINKING,
    "headers": HEADERS,
    "turns": TURNS,
    "instruct": INSTRUCT,
    "macros": MACROS,
    "text_arguments": TEXT_ARGUMENTS,
    "parts": PARTS,
}

WEATHER = {
    "name": "get_weather",
    "description": "The weather of <b>a place</b> & more: 'é'",
    "parameters": {
        "type": "object",
        "properties": {
            "place": {"type": "string", "description": "City, in 東京 form"},
            "unit": {"enum": ["c", "f"], "default": "c"},
            "days": {"type": ["integer", "null"]},
            "at": {"type": "array", "items": {"type": "object", "properties": {"h": {"type": "number"}}, "required": ["h"]}},
        },
        "required": ["place"],
    },
}
TOOLS = [WEATHER, {"name": "stop", "description": "Ends it", "parameters": {"type": "object", "properties": {}}}]


def turn(role, content, **more):
    return {"role": role, "content": content, **more}


def call(id, name, arguments):
    return {"id": id, "name": name, "arguments": arguments}


ARGUMENTS = {"place": "Zürich", "opts": {"a": [1, 2.5, True, None], "b": "x\ny \"z\""}}
ASKED = [
    turn("user", "Weather?"),
    turn("assistant", "", reasoning="I need it.", tool_calls=[call("call00001", "get_weather", ARGUMENTS)]),
    turn("tool", '{"t": 3.5}', tool_call_id="call00001"),
]
# As the engine takes them (`Chat`): a last turn of the assistant stays open.
CASES = [
    {"messages": [turn("user", "Hi there")]},
    {"messages": [turn("system", "Be brief.\n"), turn("user", " Hi <b>\n'x' \"y\" ")]},
    {"messages": [turn("user", "Hi"), turn("assistant", "Hello!", reasoning="They greet.\nSo do I."), turn("user", "And?")]},
    {"messages": [turn("user", "Hi"), turn("assistant", "<think>\nHm\n</think>\n\nHello!"), turn("user", "And?")]},
    {"messages": [turn("user", "Weather?")], "tools": TOOLS},
    {"messages": ASKED, "tools": TOOLS},
    {"messages": [turn("system", "S")] + ASKED + [turn("assistant", "It is 3.5."), turn("user", "Thanks")], "tools": TOOLS},
    {
        "messages": [
            turn("user", "Both"),
            turn("assistant", "Well.", tool_calls=[call("call00001", "get_weather", {"place": "Rome"}), call("call00002", "stop", {})]),
            turn("tool", "sunny", tool_call_id="call00001"),
            turn("tool", "done", tool_call_id="call00002"),
        ]
    },
    {"messages": [turn("user", "Hi")], "template_options": {"enable_thinking": False}},
    {"messages": [turn("user", "Hi")], "template_options": {"date_string": "2 May 2026"}},
    {"messages": [turn("user", "a"), turn("assistant", "b c")]},
]


def for_transformers(case, text_arguments=False, parts=False, merge=False):
    """The case as `transformers` takes it, bent to what a template wants as the engine bends it."""
    names, turns = {}, []
    messages = copy.deepcopy(case["messages"])
    if merge and messages[0]["role"] == "system" and messages[1:] and messages[1]["role"] == "user":
        messages = [turn("user", messages[0]["content"] + "\n\n" + messages[1]["content"])] + messages[2:]
    for message in messages:
        if reasoning := message.pop("reasoning", None):
            message |= {"reasoning_content": reasoning, "reasoning": reasoning, "thinking": reasoning}
        if calls := message.get("tool_calls"):
            names |= {c["id"]: c["name"] for c in calls}
            as_text = lambda a: json.dumps(a, separators=(",", ":"), ensure_ascii=False) if text_arguments else a
            message["tool_calls"] = [
                {"type": "function", "id": c["id"], "function": {"name": c["name"], "arguments": as_text(c["arguments"])}} for c in calls
            ]
        if id := message.get("tool_call_id"):
            message["name"] = names[id]
        if parts:
            message["content"] = [{"type": "text", "text": message["content"]}]
        turns.append(message)
    return turns, [{"type": "function", "function": tool} for tool in case.get("tools", [])] or None


def render(source, case, **bent):
    turns, tools = for_transformers(case, **bent)
    is_open = turns[-1]["role"] == "assistant"
    try:
        prompts, _ = render_jinja_template(
            conversations=[turns],
            tools=tools,
            chat_template=source,
            add_generation_prompt=not is_open,
            continue_final_message=is_open,
            **SPECIALS,
            **case.get("template_options", {}),
        )
        return {"ok": prompts[0]}
    except Exception as error:  # a template may refuse, in whatever way
        return {"err": str(error)}


# What each of our own templates wants, which the engine has to find out by itself.
BENT = {"turns": {"merge": True}, "text_arguments": {"text_arguments": True}, "parts": {"parts": True}}


def write():
    expected = {name: [render(source, case, **BENT.get(name, {})) for case in CASES] for name, source in TEMPLATES.items()}
    written = {"specials": SPECIALS, "templates": TEMPLATES, "cases": CASES, "expected": expected}
    (HERE / "templates.json").write_text(json.dumps(written, ensure_ascii=False, indent=1) + "\n")
    for name, prompts in expected.items():
        print(name, [len(p["ok"]) if "ok" in p else p["err"] for p in prompts])


def compare(folder, program):
    bends = [dict(text_arguments=a, parts=p, merge=m) for a in (False, True) for p in (False, True) for m in (False, True)]
    counts = {"same": 0, "both refuse": 0, "differ": 0}
    for file in sorted(pathlib.Path(folder).glob("*.jinja")):
        source = file.read_text()
        line = json.dumps({"source": source, "specials": SPECIALS, "cases": CASES})
        answers = json.loads(subprocess.run([program], input=line, capture_output=True, text=True, check=True).stdout)
        for at, (case, ours) in enumerate(zip(CASES, answers)):
            theirs = [render(source, case, **bent) for bent in bends]
            outcome = "both refuse" if "err" in ours and "err" in theirs[0] else "same" if ours in theirs else "differ"
            counts[outcome] += 1
            if outcome == "differ":
                print(file.name, at, ours.get("err", "")[:200], theirs[0].get("err", "")[:200])
    print(counts)


compare(*sys.argv[1:]) if len(sys.argv) > 1 else write()
