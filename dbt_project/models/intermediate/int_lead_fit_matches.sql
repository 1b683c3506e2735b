with leads as (

    select * from {{ ref('int_leads') }}

),

rules as (

    select
        attribute,
        lower(trim(match)) as match_kind,
        {{ normalised('value') }} as match_value,
        low,
        high,
        fit_points
    from {{ ref('fit_rules') }}

),

attributes as (

    select
        leads.lead_key,
        rules.attribute,
        rules.match_kind,
        rules.match_value,
        rules.low,
        rules.high,
        rules.fit_points,
        {{ normalised(lead_attribute('leads', 'rules.attribute')) }} as attribute_value,
        case rules.attribute
            when 'employee_count' then leads.employee_count
            when 'crm_score' then leads.crm_score
        end as attribute_number
    from leads
    cross join rules

),

final as (

    select
        lead_key,
        attribute,
        match_kind,
        match_value,
        attribute_value,
        low,
        high,
        fit_points
    from attributes
    where
        (
            match_kind = 'range'
            and attribute_number is not null
            and (low is null or attribute_number >= low)
            and (high is null or attribute_number <= high)
        )
        or (
            match_kind = 'equals'
            and attribute_value = match_value
        )
        or (
            match_kind = 'contains'
            and strpos(attribute_value, match_value) > 0
        )

)

select * from final
