with cycles as (

    select
        *,
        -- What was created before the first cycle belongs to it, too.
        case
            when cycle_number = 1 then timestamp '0001-01-01' else cycle_started_at
        end as counts_from,
        coalesce(cycle_ended_at, timestamp '9999-12-31') as counts_until
    from {{ ref('fct_lead_cycles') }}

),

opportunities as (

    select * from {{ ref('fct_opportunities') }}
    where is_primary_lead

),

reached as (

    {% for milestone in ['handed_off', 'sales_qualified'] -%}
        select
            '{{ milestone }}' as credited_milestone,
            source_system,
            source_system as lead_source_system,
            lead_id,
            cast(null as {{ dbt.type_string() }}) as opportunity_id,
            cycle_number,
            case when outcome in ('open', 'won') then outcome else 'lost' end as status,
            opportunity_amount,
            won_amount,
            {{ milestone }}_at as reached_at,
            cast(null as timestamp) as created_at
        from cycles
        where {{ milestone }}_at is not null
        union all
    {% endfor -%}
    {% for milestone, moment in [
        ('opportunity', 'created_at'), ('won', 'closed_at')
    ] -%}
        select
            '{{ milestone }}' as credited_milestone,
            opportunities.source_system,
            opportunities.survivor_source_system as lead_source_system,
            opportunities.survivor_lead_id as lead_id,
            opportunities.opportunity_id,
            cycles.cycle_number,
            opportunities.status,
            opportunities.amount as opportunity_amount,
            case when opportunities.status = 'won' then opportunities.amount else 0 end
                as won_amount,
            opportunities.{{ moment }} as reached_at,
            opportunities.created_at
        from opportunities
        left join cycles
            on
                opportunities.survivor_source_system = cycles.source_system
                and opportunities.survivor_lead_id = cycles.lead_id
                and opportunities.created_at >= cycles.counts_from
                and opportunities.created_at < cycles.counts_until
        {% if milestone == 'won' -%}
            where opportunities.status = 'won'
        {%- else -%}
            union all
        {%- endif %}
    {% endfor %}

),

final as (

    select
        case
            when opportunity_id is null
                then {{ hashed_key([
                    'credited_milestone', 'source_system', 'lead_id', 'cycle_number'
                ]) }}
            else {{ hashed_key([
                'credited_milestone', 'source_system', 'opportunity_id'
            ]) }}
        end as subject_key,
        {{ hashed_key(['lead_source_system', 'lead_id']) }} as lead_key,
        credited_milestone,
        source_system,
        lead_id,
        opportunity_id,
        cycle_number,
        status,
        opportunity_amount,
        won_amount,
        reached_at,
        created_at
    from reached

)

select * from final
