{# The attribute of a lead that a policy row names, as text. #}
{% macro lead_attribute(lead, attribute) -%}
    case {{ attribute }}
        when 'lead_id' then {{ lead }}.lead_id
        when 'email_domain' then {{ lead }}.email_domain
        when 'company' then {{ lead }}.company
        when 'title' then {{ lead }}.title
        when 'industry' then {{ lead }}.industry
        when 'country' then {{ lead }}.country
        when 'lead_source' then {{ lead }}.lead_source
        when 'owner_id' then {{ lead }}.owner_id
        when 'employee_count' then cast({{ lead }}.employee_count as {{ dbt.type_string() }})
        when 'crm_score' then cast({{ lead }}.crm_score as {{ dbt.type_string() }})
    end
{%- endmacro %}
