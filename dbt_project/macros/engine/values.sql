{#
    Numbers, amounts and truth values read from text.
    Each macro dispatches: default__ is SQL that every engine knows, an engine adds its own version
    where it needs one, and no model changes.
#}

{# Text to a finite number written the plain way (1234.5); null when it is none. #}
{% macro parse_number(text) -%}
    {{ return(adapter.dispatch('parse_number')(text)) }}
{%- endmacro %}

{% macro duckdb__parse_number(text) -%}
    case
        when regexp_matches(trim({{ text }}), '^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$')
            then try_cast(trim({{ text }}) as double)
    end
{%- endmacro %}

{#
    A number without what people write around and into it: spaces, apostrophes between thousands,
    parentheses for a negative one, and of an amount of money the currency.
#}
{% macro bare_number(text, is_money) -%}
    {{ return(adapter.dispatch('bare_number')(text, is_money)) }}
{%- endmacro %}

{% macro duckdb__bare_number(text, is_money) -%}
    {#- Not any letters before a sign: 5 M $ and 5 MIO € are millions. -#}
    {%- set before_sign = sign_prefixes() + currency_signs().values() | unique | list -%}
    {%- set currency -%}
        (?:(?:(?:{{ before_sign | join('|') }})[\s\p{Z}]?)?\p{Sc}
        {{- '|[A-Z]{3}|kr\.?|Rs\.?|zł|Kč|Ft|lei|TL|円|元)' }}
    {%- endset -%}
    regexp_replace(
        regexp_replace(
            {%- if is_money %}
            regexp_replace(
                regexp_replace(
                    replace(trim({{ text }}), '−', '-'),
                    '^([-+(]?)[\s\p{Z}]*{{ currency }}[\s\p{Z}]*([-+(]?[\s\p{Z}]*[.,]?\d)', '\1\2'
                ),
                '(\d[.,]?[-–—]*)[\s\p{Z}]*{{ currency }}(\)?)$', '\1\2'
            ),
            {%- else %}
            replace(trim({{ text }}), '−', '-'),
            {%- endif %}
            '[\s\p{Z}''’]|[.,][-–—]+$', '', 'g'
        ),
        '^\(([^()+-]+)\)$', '-\1'
    )
{%- endmacro %}

{#
    What a number, made bare by `bare_number`, shows of its column's decimal mark: `dot` or `comma`
    where only one reading makes sense, `either` for one such as 7,500 that the rest of its column
    has to explain; null where it says nothing.
#}
{% macro decimal_mark_shown(number) -%}
    {{ return(adapter.dispatch('decimal_mark_shown')(number)) }}
{%- endmacro %}

{% macro duckdb__decimal_mark_shown(number) -%}
    case
        when not regexp_matches({{ number }}, '^[+-]?[\d.,]*[.,][\d.,]*$') then null
        when regexp_matches({{ number }}, '^[+-]?[1-9]\d{0,2}[.,]\d{3}$') then 'either'
        when
            regexp_matches(
                {{ number }},
                '^[+-]?(\d*\.\d+|\d{1,3}(,\d{2,3})*,\d{3}\.\d*|\d{1,3}(,\d{2,3})+,\d{3})$'
            )
            then 'dot'
        when
            regexp_matches(
                {{ number }}, '^[+-]?(\d*,\d+|\d{1,3}(\.\d{3})+,\d*|\d{1,3}(\.\d{3}){2,})$'
            )
            then 'comma'
    end
{%- endmacro %}

{#
    A number, made bare by `bare_number`, the plain way (1234.5); null when it is none, or when its
    column left open what 7,500 means. `mark`: what it shows. `decimal_mark`: what its column
    decided: dot, comma, whole (the column counts things, so 7,500 and 7.500 are thousands) or
    undecided.
#}
{% macro plain_number(number, mark, decimal_mark) -%}
    {{ return(adapter.dispatch('plain_number')(number, mark, decimal_mark)) }}
{%- endmacro %}

{% macro duckdb__plain_number(number, mark, decimal_mark) -%}
    case
        coalesce(
            case {{ mark }} when 'either' then {{ decimal_mark }} else {{ mark }} end, 'none'
        )
        when 'none'
            then
                nullif(
                    regexp_extract({{ number }}, '^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$'), ''
                )
        when 'whole' then regexp_replace({{ number }}, '[.,]', '')
        when 'dot' then replace({{ number }}, ',', '')
        when 'comma' then replace(replace({{ number }}, '.', ''), ',', '.')
    end
{%- endmacro %}

{# What stands before the $ or ¥ of one country: US, CA, CN ... #}
{% macro sign_prefixes() -%}
    {%- set prefixes = [] -%}
    {%- for sign in currency_signs() if sign | length > 1 and sign[-1] in '$¥' -%}
        {%- do prefixes.append(sign[:-1]) -%}
    {%- endfor -%}
    {{ return(prefixes) }}
{%- endmacro %}

{#
    The currency that an amount is written with: a code, or the sign of one. A sign that several
    currencies share ($, kr) stays a sign. Null without any.
#}
{% macro currency_shown(text) -%}
    {{ return(adapter.dispatch('currency_shown')(text)) }}
{%- endmacro %}

{% macro duckdb__currency_shown(text) -%}
    case
        when not regexp_matches({{ text }}, '^[0-9., +-]*$')
            then {{ code_or_sign(text, '(' ~ sign_pattern() ~ ')') }}
    end
{%- endmacro %}

{#
    The currency that a label names (USD, Euro (EUR), CA$): a code anywhere in it, or a sign that is
    all of it, so that krona is not kr. Null without any.
#}
{% macro currency_named(label) -%}
    {{ return(adapter.dispatch('currency_named')(label)) }}
{%- endmacro %}

{% macro duckdb__currency_named(label) -%}
    {{ code_or_sign(label, '^(' ~ sign_pattern() ~ ')\\.?$') }}
{%- endmacro %}

{% macro sign_pattern() -%}
    (?:{{ sign_prefixes() | join('|') }})?\p{Sc}|zł|Kč|Ft|lei|kr|Rs|TL|円|元
{%- endmacro %}

{# The code of a currency in a text, else that of the sign which fits the pattern. #}
{% macro code_or_sign(text, pattern) -%}
    {%- set code = '(?:^|[^A-Za-z])([A-Z]{3})(?:[^A-Za-z]|$)' -%}
    {%- set sign -%}
        regexp_extract(regexp_replace({{ text }}, '[\s\p{Z}]', '', 'g'), '{{ pattern }}', 1)
    {%- endset -%}
    case
        when regexp_matches({{ text }}, '{{ code }}')
            then regexp_extract({{ text }}, '{{ code }}', 1)
        else
            coalesce(
                {{ currency_signs().values() | list }}[
                    list_position({{ currency_signs().keys() | list }}, {{ sign }})
                ],
                nullif({{ sign }}, '')
            )
    end
{%- endmacro %}

{#
    Text to a boolean, without case: true, yes, 1 and their opposites, in the languages that CRMs
    export in; a tick is true. `words`: more words of one column, by what they mean. Else null.
#}
{% macro parse_boolean(text, true_words=[], false_words=[]) -%}
    {#- lower('HAYIR') is 'hayir', not the Turkish 'hayır'. -#}
    {%- set yes = [
        'true', 't', 'yes', 'y', '1', '1.0', '1,0', '-1', 'on', 'x', '✓', '✔', '☑', '✅', 'checked',
        'wahr', 'ja', 'j', 'vrai', 'oui', 'verdadero', 'sí', 'si', 's', 'verdadeiro', 'sim', 'vero', 'sì',
        'waar', 'prawda', 'tak', 'sant', 'sann', 'sand', 'tosi', 'kyllä', 'doğru', 'evet', 'pravda', 'ano',
        'áno', 'igaz', 'igen', 'adevărat', 'da', 'истина', 'да', 'はい', '真', '是', '예', '참'
    ] + true_words -%}
    {%- set no = [
        'false', 'f', 'no', 'n', '0', '0.0', '0,0', 'off', '☐', '✗', '✘', 'unchecked', 'falsch', 'nein',
        'faux', 'non', 'falso', 'não', 'nao', 'onwaar', 'nee', 'fałsz', 'nie', 'falskt', 'falsk', 'usann',
        'nej', 'nei', 'epätosi', 'ei', 'yanlış', 'yanliş', 'hayır', 'hayir', 'nepravda', 'ne', 'hamis',
        'nem', 'fals', 'nu', 'ложь', 'нет', 'いいえ', '偽', '否', '假', '아니요', '거짓'
    ] + false_words -%}
    case
        when lower(trim({{ text }})) in ('{{ yes | join("', '") }}') then true
        when lower(trim({{ text }})) in ('{{ no | join("', '") }}') then false
    end
{%- endmacro %}

{# What exports write of a deal that is `won`, or `lost`, instead of yes and no. #}
{% macro deal_words(outcome) -%}
    {%- set words = {
        'won': [
            'won', 'closed won', 'closedwon', 'closed-won', 'gewonnen', 'gagné', 'gagnée', 'gagne',
            'ganado', 'ganada', 'vinto', 'vinta', 'ganho', 'ganha', 'vunnen', 'vunnet', 'vundet',
            'wygrana', '受注', '成約'
        ],
        'lost': [
            'lost', 'closed lost', 'closedlost', 'closed-lost', 'verloren', 'perdu', 'perdue',
            'perdido', 'perdida', 'perso', 'persa', 'förlorad', 'tabt', 'tapt', 'przegrana', '失注'
        ]
    } -%}
    {{ return(words[outcome]) }}
{%- endmacro %}

{#
    An id (or several) without outer spaces; null when a spreadsheet wrote one in scientific notation
    (1.23457E+11), or where an error (#N/A, #WERT!, ###) or a word for nothing (NULL) stands in its
    place. Errors have words of any language and no digit but in #DIV/0!, so #1001 is an id.
#}
{% macro read_id(text) -%}
    {{ return(adapter.dispatch('read_id')(text)) }}
{%- endmacro %}

{% macro duckdb__read_id(text) -%}
    case
        when not regexp_matches({{ text }}, '{{ var('no_id') | join | replace("'", "''") }}')
            -- A tab keeps a spreadsheet from taking an id for a number.
            then trim(trim({{ text }}), ' ' || chr(9))
    end
{%- endmacro %}

{# An id without leading zeros, a trailing `.0` and case: what spellings of one id share. #}
{% macro bare_id(id) -%}
    {{ return(adapter.dispatch('bare_id')(id)) }}
{%- endmacro %}

{% macro duckdb__bare_id(id) -%}
    nullif(lower(regexp_replace(ltrim({{ id }}, '0'), '\.0+$', '')), '')
{%- endmacro %}

{# Whether a text is what databases and people write for nothing (NULL, n/a, -). #}
{% macro stands_for_nothing(text) -%}
    {{ return(adapter.dispatch('stands_for_nothing')(text)) }}
{%- endmacro %}

{% macro duckdb__stands_for_nothing(text) -%}
    regexp_full_match({{ text }}, '\s*({{ var('words_for_nothing') | join }})\s*')
{%- endmacro %}
