{#
    A Salesforce id in its form of 18 characters. The three more are a checksum of which of the 15
    letters are upper case, so both forms of one id become the same text.
#}
{% macro salesforce_id(id) -%}
    case
        when length(trim({{ id }})) = 15
            then
                trim({{ id }})
                {%- for part in range(3) %}
                || substr(
                    'ABCDEFGHIJKLMNOPQRSTUVWXYZ012345',
                    1
                    {%- for place in range(5) %}
                    + case
                        when
                            ascii(substr(trim({{ id }}), {{ part * 5 + place + 1 }}, 1))
                            between 65 and 90
                            then {{ 2 ** place }}
                        else 0
                    end
                    {%- endfor %},
                    1
                )
                {%- endfor %}
        else nullif(trim({{ id }}), '')
    end
{%- endmacro %}

{#
    A flag as the API writes it, true or false, however a tool landed it. One that can't be read stays
    as it came: who compares it with 'true' takes it for false, as the CRM does an empty one.
#}
{% macro salesforce_flag(text) -%}
    coalesce(cast({{ parse_boolean(text) | indent(4) }} as {{ dbt.type_string() }}), {{ text }})
{%- endmacro %}

{#
    An id as files hold it: a Salesforce id of 15 letters and digits, as reports and formulas show
    it, in its form of 18, which the API and data loaders give. Of other ids nothing changes.
#}
{% macro record_id(id) -%}
    case
        when
            length({{ id }}) = 15
            and regexp_matches({{ id }}, '^[A-Za-z0-9]+$')
            and substr({{ id }}, 1, 3) in (
                '001', '003', '005', '006', '008', '00G', '00Q', '00T', '00U', '00v',
                '017', '02s', '701'
            )
            and lower({{ id }}) <> upper({{ id }})
            then {{ salesforce_id(id) | indent(12) }}
        else {{ id }}
    end
{%- endmacro %}

{# The value of a lead's field by its API name: a column of raw, else one of the custom fields. #}
{% macro salesforce_lead_value(field, lead) -%}
    case lower({{ field }})
        when 'status' then {{ lead }}.status
        when 'isconverted' then nullif({{ lead }}.is_converted, 'false')
        when 'company' then {{ lead }}.company
        when 'title' then {{ lead }}.title
        when 'industry' then {{ lead }}.industry
        when 'country' then {{ lead }}.country
        when 'leadsource' then {{ lead }}.lead_source
        when 'numberofemployees' then {{ lead }}.number_of_employees
        else {{ json_text(lead ~ '.custom_fields', field) }}
    end
{%- endmacro %}

{#
    A lead's value for a column of the contract: that of the configured field, else that of the
    standard field (empty: there is none). Reads `leads` and `chosen_columns`.
#}
{% macro salesforce_chosen_value(column, standard_field) -%}
    {{ salesforce_lead_value(
        "coalesce(chosen_columns." ~ column ~ "_field, '" ~ standard_field ~ "')", 'leads'
    ) }}
{%- endmacro %}
