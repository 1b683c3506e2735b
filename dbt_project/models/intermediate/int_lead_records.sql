with recursive run_policy as (

    select * from {{ ref('int_run_policy') }}

),

known as (

    select versions.*
    from {{ ref('int_lead_versions') }} as versions
    cross join run_policy
    where versions.created_at <= run_policy.as_of

),

{{ merge_survivors('known', 'lead_id') }},

sources as (

    select * from {{ ref('stg_handoff__sources') }}

),

-- The same person in two sources, by e-mail hash: the first source's lead stands.
people as (

    select
        known.source_system,
        known.lead_id,
        known.email_hash,
        row_number() over (
            partition by known.email_hash
            order by
                coalesce(sources.source_rank, 2147483647),
                known.source_system,
                known.created_at,
                known.lead_id
        ) as precedence
    from known
    cross join run_policy
    left join survivors
        on
            known.source_system = survivors.source_system
            and known.lead_id = survivors.lead_id
    left join sources
        on known.source_system = sources.source_system
    where
        run_policy.match_on = 'email'
        and known.email_hash is not null
        and not known.is_deleted
        and survivors.lead_id is null

),

matches as (

    select
        people.source_system,
        people.lead_id,
        first_people.source_system as person_source_system,
        first_people.lead_id as person_lead_id
    from people
    inner join people as first_people
        on
            people.email_hash = first_people.email_hash
            and first_people.precedence = 1
    where people.source_system <> first_people.source_system

),

records as (

    select
        known.source_system,
        known.lead_id,
        coalesce(matches.person_source_system, known.source_system)
            as survivor_source_system,
        coalesce(
            matches.person_lead_id, survivors.survivor_lead_id, known.lead_id
        ) as survivor_lead_id,
        matches.person_lead_id is not null
        or survivors.survivor_lead_id is not null as is_merged,
        known.is_deleted,
        exclusions.lead_id is not null as is_excluded,
        known.created_at
    from known
    left join survivors
        on
            known.source_system = survivors.source_system
            and known.lead_id = survivors.lead_id
    left join matches
        on
            known.source_system = matches.source_system
            and coalesce(survivors.survivor_lead_id, known.lead_id) = matches.lead_id
    left join {{ ref('int_lead_exclusions') }} as exclusions
        on
            known.source_system = exclusions.source_system
            and known.lead_id = exclusions.lead_id

),

final as (

    select
        records.source_system,
        records.lead_id,
        records.survivor_source_system,
        records.survivor_lead_id,
        {{ hashed_key(['records.survivor_source_system', 'records.survivor_lead_id']) }}
            as lead_key,
        case
            when records.is_merged then 'merged'
            when records.is_deleted then 'deleted'
            when records.is_excluded then 'excluded'
            else 'in_marts'
        end as bucket,
        not survivor.is_deleted and not survivor.is_excluded as is_in_marts,
        records.created_at
    from records
    inner join records as survivor
        on
            records.survivor_source_system = survivor.source_system
            and records.survivor_lead_id = survivor.lead_id

)

select * from final
