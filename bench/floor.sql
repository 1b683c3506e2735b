-- The floor: the facts and the violations from the same files, in as few steps of DuckDB as we know
-- how to write. What Handoff does for rows that arrive otherwise costs more than this; `make bench`
-- says how much. docs/lifecycle.md is what it computes.
--
--     handoff simulate --leads 1000000 --out var/bench/1000000/parquet \
--         --format parquet
--     duckdb < bench/floor.sql
--
-- Set before it, other choices: `export` (directory), `policy` (directory), `as_of` (timestamp).
--
-- It makes fct_lead_stages, fct_lead_cycles and lifecycle_violations, equal to the published ones
-- in rows and in every column but the hashed keys (lead_stage_id, lead_cycle_id, violation_id) and
-- source_system; texts are not masked, and the tables keep working columns beside (lead_key ..).
-- tests/bench/test_floor.py compares them.
--
-- What it takes for granted, because `handoff simulate` writes it so and the policy that ships says
-- so: typed columns; every id once, every row of use, every deal with one lead, none merged; one
-- source, without a stage map; tradition four_stage in mode explicit, which asks for no explicit
-- intent, so the one rule that needs it, handoff_without_explicit_intent, is left out; no clock
-- `business`; working hours in UTC; fit rules about title, employee_count and email_domain; no rows
-- in exclusions, transition_overrides, holidays and currency_rates.
--
-- Moments are microseconds until they are published: DuckDB's arithmetic of timestamps with a zone
-- is slow. lead_key is the place of a lead, the survivor of a merge, in its file.

set variable export = coalesce(getvariable('export'), 'var/bench/1000000/parquet');
set variable policy = coalesce(getvariable('policy'), 'seeds/policy');
set variable now = epoch_us(coalesce(getvariable('as_of'), timestamp '2026-07-01'));

create macro policy(name) as table
    from read_csv(getvariable('policy') || '/' || name || '.csv');
create macro export(name) as table
    from read_parquet(getvariable('export') || '/' || name || '.parquet');
create macro key_of(text) as nullif(lower(trim(text)), '');

-- Policy

-- Spans in microseconds, numbers as they are.
set variable rule = (
    select map_from_entries(list((parameter, cast(value * case unit
        when 'minutes' then 60e6 when 'hours' then 3600e6 when 'days' then 86400e6 else 1
    end as bigint))))
    from policy('rule_parameters')
);
create macro rule(name) as getvariable('rule')[name];

create type milestone as enum (
    'captured', 'marketing_qualified', 'handed_off', 'accepted', 'sales_qualified', 'opportunity',
    'won'
);
create type quality as enum ('observed', 'opportunity', 'inferred');
create type basis as enum ('explicit', 'implied', 'inferred');
create type move_kind as enum (
    'enter', 'restart', 'recycle', 'exit', 'lateral', 'skip', 'forward', 'expansion', 'backward',
    'merge'
);
create type start_kind as enum ('expansion', 'requalified');
create type stage as enum (
    select stage from policy('stages') where tradition = 'four_stage' order by path_order, stage
);
create type exit_kind as enum (
    select distinct exit_kind from policy('stages') where exit_kind <> ''
);
create type label as enum (select distinct label from policy('stages'));

-- `state`: what a visit leaves behind: out by an exit (3), out as a customer (2), on the path (1).
create table stages as
select
    stage::stage as stage,
    label::label as label,
    path_order::utinyint as path_order,
    milestone::milestone as milestone,
    exit_kind::exit_kind as exit_kind,
    evidence,
    is_optional,
    enum_code(milestone::milestone) + 1 as rank,
    case
        when exit_kind is not null then 3 when milestone = 'won' then 2
        when milestone <> 'captured' then 1
    end::utinyint as state
from policy('stages')
where tradition = 'four_stage';

create table stage_names as
select names.raw_key, stages.stage, stages.path_order
from (
    select raw_key, arg_min(stage, (precedence, stage)) as stage
    from (
        select key_of(raw_stage) as raw_key, stage, 1 as precedence from policy('stage_aliases')
        union all
        select key_of(stage), stage, 2 from stages
        union all
        select key_of(label), stage, 3 from stages
    )
    group by raw_key
) as names
inner join stages on names.stage = stages.stage::varchar;

create table moves as
with pairs as (
    select
        origin.stage as from_stage,
        target.stage as to_stage,
        origin.rank as from_rank,
        origin.exit_kind as from_exit,
        target.rank as to_rank,
        target.exit_kind as to_exit,
        case
            when origin.stage is null then 'enter'
            when origin.exit_kind is not null and target.exit_kind is null then 'restart'
            when target.exit_kind = 'recycled' then 'recycle'
            when target.exit_kind is not null then 'exit'
            when origin.path_order = target.path_order then 'lateral'
            when origin.path_order < target.path_order and exists (
                from stages as skipped
                where
                    skipped.path_order > origin.path_order
                    and skipped.path_order < target.path_order
                    and skipped.exit_kind is null and not skipped.is_optional
            ) then 'skip'
            when origin.path_order < target.path_order then 'forward'
            when origin.rank = 7 and target.rank between 2 and 6 then 'expansion'
            else 'backward'
        end as kind
    from (from stages union all by name select null::stage as stage) as origin
    inner join stages as target on origin.stage is distinct from target.stage
)
select
    from_stage,
    to_stage,
    kind::move_kind as kind,
    case
        when kind in ('lateral', 'forward', 'expansion') then true
        when kind in ('skip', 'backward') then false
        when kind = 'enter' then to_exit is null
        when kind = 'restart' then to_rank <= 3 or (from_exit = 'lost' and to_rank = 6)
        when from_exit is not null
            then to_exit = 'recycled' or (from_exit = 'recycled' and to_exit = 'disqualified')
        when to_exit = 'rejected' then from_rank between 2 and 4
        when to_exit = 'disqualified' then from_rank between 1 and 5
        when to_exit = 'lost' then from_rank = 6
        else from_rank between 2 and 6
    end as is_valid,
    coalesce(to_exit <> 'recycled' or from_exit is null, false) and to_exit is not null
        as reason_required
from pairs;

create table reasons as
select key_of(reason_raw) as raw_key, min(reason_code) as reason_code
from (
    select reason_code as reason_raw, reason_code from policy('reason_codes')
    union all
    from policy('reason_aliases')
    where key_of(reason_raw) not in (select key_of(reason_code) from policy('reason_codes'))
)
group by raw_key;

-- Leads: whose the rows of each record are, who owned a lead when, what it is like.

create table known as
select
    file_row_number::integer as record,
    lead_id,
    merged_into_lead_id,
    is_deleted,
    epoch_us(created_at) as created_at,
    coalesce(epoch_us(updated_at), epoch_us(created_at)) as stage_at,
    if(coalesce(epoch_us(updated_at), epoch_us(created_at)) <= getvariable('now'),
        nullif(trim(current_stage), ''), null) as current_stage,
    owner_id,
    title,
    employee_count,
    nullif(lower(trim(split_part(email, '@', -1))), '') as email_domain,
    lead_source,
    country
from read_parquet(getvariable('export') || '/leads.parquet', file_row_number = true)
where epoch_us(created_at) <= getvariable('now');

create table merged as
with recursive steps as (
    select known.record, survivors.record as into_record
    from known inner join known as survivors on known.merged_into_lead_id = survivors.lead_id
),
reached as (
    from steps
    union
    select reached.record, steps.into_record
    from reached inner join steps on reached.into_record = steps.record
)
select reached.* from reached anti join steps on reached.into_record = steps.record;

create table records as
select known.lead_id, known.record, coalesce(merged.into_record, known.record) as lead_key
from known left join merged on known.record = merged.record
where coalesce(merged.into_record, known.record) not in (select record from known where is_deleted);

-- Of several changes at one moment the greatest owner holds.
create table owner_periods as
select
    lead_key,
    max(owner_id) as owner_id,
    epoch_us(changed_at) as owned_from,
    lead(epoch_us(changed_at), 1, 9223372036854775807) over (
        partition by lead_key order by epoch_us(changed_at)
    ) as owned_until
from export('owner_changes') inner join records using (lead_id)
where epoch_us(changed_at) <= getvariable('now')
group by lead_key, epoch_us(changed_at);

create table leads as
with
merged_created as (
    select merged.into_record as record, min(known.created_at) as created_at
    from merged inner join known on merged.record = known.record
    group by merged.into_record
),
fit_of_size as (
    select employee_count, sum(fit_points) as fit_points
    from (select distinct employee_count from known)
    inner join policy('fit_rules')
        on employee_count >= coalesce(low, '-inf'::double)
        and employee_count <= coalesce(high, 'inf'::double)
    where attribute = 'employee_count'
    group by employee_count
),
fit_of_title as (
    select title, sum(fit_points) as fit_points
    from (select distinct title from known)
    inner join policy('fit_rules') on contains(lower(title), key_of(value))
    where attribute = 'title'
    group by title
),
fit_of_domain as (
    select key_of(value) as email_domain, sum(fit_points) as fit_points
    from policy('fit_rules')
    where attribute = 'email_domain'
    group by email_domain
),
sizes as (
    select employee_count, segment
    from (select distinct employee_count from known)
    inner join policy('segments')
        on employee_count >= coalesce(min_employees, 0)
        and employee_count <= coalesce(max_employees, 'inf'::double)
)
select
    known.record as lead_key,
    known.lead_id,
    coalesce(least(known.created_at, merged_created.created_at), known.created_at) as created_at,
    known.owner_id,
    -- CRMs log only changes: without any, the lead's owner held all the time.
    if(owned.lead_key is null, known.owner_id, null) as only_owner,
    known.stage_at,
    known.current_stage as current_stage_raw,
    stage_names.stage as current_stage,
    coalesce(fit_of_size.fit_points, 0) + coalesce(fit_of_title.fit_points, 0)
        + coalesce(fit_of_domain.fit_points, 0) as fit_score,
    coalesce(sizes.segment, 'unknown') as segment,
    known.lead_source,
    known.country
from known
anti join merged on known.record = merged.record
left join merged_created on known.record = merged_created.record
left join (select distinct lead_key from owner_periods) as owned on known.record = owned.lead_key
left join stage_names on key_of(known.current_stage) = stage_names.raw_key
left join fit_of_size on known.employee_count = fit_of_size.employee_count
left join fit_of_title on known.title = fit_of_title.title
left join fit_of_domain on known.email_domain = fit_of_domain.email_domain
left join sizes on known.employee_count = sizes.employee_count
where not known.is_deleted;

drop table known;

-- Events

create table changes as
select
    records.lead_key,
    records.record,
    epoch_us(changed_at) as moment,
    change_id,
    to_names.stage,
    to_names.path_order,
    from_names.stage as from_stage,
    nullif(trim(reason), '') as reason,
    changed_by,
    if(to_names.stage is null, to_stage, null) as unmapped_stage
from export('stage_changes')
inner join records using (lead_id)
left join stage_names as to_names on key_of(to_stage) = to_names.raw_key
left join stage_names as from_names on key_of(from_stage) = from_names.raw_key
where key_of(to_stage) is not null or epoch_us(changed_at) > getvariable('now');

-- The earliest change that is kept; the earliest later than as_of only where none is.
create table first_changes as
select lead_key, min(moment) as moment
from changes
where stage is not null or moment > getvariable('now')
group by lead_key;

create table deals as
select
    lead_key,
    record,
    opportunity_id,
    epoch_us(created_at) as created_at,
    if(epoch_us(closed_at) <= getvariable('now'), epoch_us(closed_at), null) as closed_at,
    case
        when closed_at is null or epoch_us(closed_at) > getvariable('now') then 'open'
        when is_won then 'won' else 'lost'
    end as status,
    coalesce(is_won, false) and closed_at is null as is_closing_date_missing,
    amount,
    nullif(trim(loss_reason), '') as loss_reason,
    owner_id
from export('opportunities') inner join records using (lead_id)
where epoch_us(created_at) <= getvariable('now');

create table fct_lead_stages as
with
started_in as (
    select changes.*, leads.created_at
    from first_changes
    inner join leads
        on first_changes.lead_key = leads.lead_key and first_changes.moment > leads.created_at
    inner join changes
        on first_changes.lead_key = changes.lead_key and first_changes.moment = changes.moment
    where changes.stage is not null or changes.moment > getvariable('now')
    qualify row_number() over (
        partition by changes.lead_key
        order by
            if(changes.moment > getvariable('now'), 0, changes.path_order),
            changes.change_id,
            changes.record
    ) = 1
),
-- A lost deal proves nothing while another one lives on, or won in its time.
proof as (
    from deals
    where status <> 'lost' or not exists (
        from deals as other
        where
            other.lead_key = deals.lead_key
            and other.opportunity_id <> deals.opportunity_id
            and other.created_at <= deals.closed_at
            and (
                other.closed_at is null
                or other.closed_at > deals.closed_at
                or (
                    other.status = 'won'
                    and other.closed_at between deals.created_at and deals.closed_at
                )
            )
    )
),
events as (
    select
        lead_key, record, moment, change_id, stage, reason, changed_by,
        'observed'::quality as quality
    from changes
    where stage is not null and moment <= getvariable('now')
    union all
    select lead_key, record, created_at, '~from', from_stage, null, null, 'inferred'::quality
    from started_in
    where from_stage is not null
    union all
    select
        lead_key, lead_key, created_at, '~current', current_stage, null, null, 'inferred'::quality
    from leads
    anti join first_changes on leads.lead_key = first_changes.lead_key
    anti join deals on leads.lead_key = deals.lead_key
    where current_stage is not null
    union all
    select
        lead_key, record, created_at, '~opp:' || opportunity_id, stage, null, owner_id,
        'opportunity'::quality
    from deals inner join stages on stages.evidence = 'opportunity'
    union all
    select
        lead_key, record, closed_at, '~' || status || ':' || opportunity_id, stage,
        if(status = 'lost', loss_reason, null), owner_id, 'opportunity'::quality
    from proof inner join stages on proof.status = stages.evidence
),
compared as (
    select
        events.*,
        stages.rank,
        row_number() over event as event_number,
        lag(events.stage) over event as from_stage,
        -- Captured visits change nothing, so the state is that of the last other visit.
        last_value(stages.state ignore nulls) over (
            partition by lead_key order by moment, path_order, change_id, record
            rows between unbounded preceding and 1 preceding
        ) as state_before
    from events inner join stages on events.stage = stages.stage
    window event as (partition by lead_key order by moment, path_order, change_id, record)
),
begun as (
    select
        *,
        stage is distinct from from_stage as begins,
        case
            when not begins then null
            when state_before = 3 and rank >= 2 then 'requalified'
            when state_before = 2 and rank between 2 and 6 then 'expansion'
        end::start_kind as start_kind
    from compared
    where begins or reason is not null
),
numbered as (
    select
        *,
        count(*) filter (begins) over (event rows unbounded preceding) as visit_number,
        count(start_kind) over (event rows unbounded preceding) + 1 as cycle_number,
        lead(if(begins, moment, null) ignore nulls) over event as exited_at,
        lag(if(begins, record, null) ignore nulls) over event as record_before,
        lead(if(begins, null, reason)) over event as reason_within
    from begun
    window event as (partition by lead_key order by event_number)
),
visits as (
    select *, coalesce(reason, reason_within) as reason_raw from numbered where begins
)
select
    visits.lead_key,
    leads.lead_id,
    cycle_number::integer as cycle_number,
    visit_number::integer as visit_number,
    visits.stage,
    stages.label as stage_label,
    stages.milestone,
    stages.exit_kind,
    visits.from_stage,
    make_timestamp(moment) as entered_at,
    make_timestamp(exited_at) as exited_at,
    (exited_at - moment) / 3600e6 as duration_hours,
    exited_at is null as is_current,
    if(record <> record_before, 'merge'::move_kind, moves.kind) as transition_kind,
    coalesce(record <> record_before, false) or quality = 'inferred' or moves.is_valid
        as is_valid_transition,
    moves.reason_required,
    reason_raw,
    if(reason_raw is not null, coalesce(reasons.reason_code, 'unknown'), null) as reason_code,
    changed_by,
    coalesce(owner_periods.owner_id, leads.only_owner) as owner_id,
    quality as history_quality,
    moment,
    visits.rank,
    visits.start_kind,
    visits.rank = 1 and state_before = 3 as is_captured_after_exit,
    moment < leads.created_at - rule('creation_tolerance') as is_before_creation
from visits
inner join leads on visits.lead_key = leads.lead_key
inner join stages on visits.stage = stages.stage
inner join moves
    on visits.stage = moves.to_stage and visits.from_stage is not distinct from moves.from_stage
left join owner_periods
    on visits.lead_key = owner_periods.lead_key
    and moment >= owner_periods.owned_from and moment < owner_periods.owned_until
left join reasons on key_of(reason_raw) = reasons.raw_key;

-- Cycles

-- A visit as one number, by which the first of several is the least: its moment, its number and a
-- code of six bits, such as that of a basis.
create macro moment_of(mark) as mark >> 12;
create macro basis_of(mark) as
    case mark & 63 when 0 then 'explicit' when 1 then 'implied' when 2 then 'inferred' end::basis;

create table cycles as
with marked as (
    select
        *,
        (moment << 12) + (least(visit_number, 63) << 6) as mark,
        if(history_quality = 'inferred', 2, 0) as own_basis
    from fct_lead_stages
),
passes as (
    select
        lead_key,
        cycle_number,
        max(start_kind) as start_kind,
        min(moment) as entered_at,
        nullif(max(coalesce(epoch_us(exited_at), 9223372036854775807)), 9223372036854775807)
            as ended_at,
        min(if(rank >= 2, mark + if(rank > 2, 1, own_basis), null)) as marketing_qualified,
        min(if(rank >= 3, mark + if(rank > 3, 1, own_basis), null)) as handed_off,
        min(if(rank = 4, mark + own_basis, null)) as accepted,
        min(if(rank >= 5, mark + if(rank > 5, 1, own_basis), null)) as sales_qualified,
        min(if(rank >= 6, mark + if(rank > 6, 1, own_basis), null)) as opportunity,
        min(if(rank >= 7, mark + own_basis, null)) as won,
        min(if(exit_kind is not null, mark + enum_code(stage), null)) as exited,
        arg_min(reason_code, visit_number) filter (exit_kind is not null) as reason_code,
        min(if(exit_kind = 'recycled', moment, null)) as recycled_at,
        min(if(is_captured_after_exit, moment, null)) as captured_again_at
    from marked
    group by lead_key, cycle_number
),
dated as (
    select
        lead_key,
        passes.cycle_number,
        leads.lead_id,
        leads.only_owner,
        coalesce(start_kind::varchar, 'new') as start_kind,
        if(cycle_number = 1, least(leads.created_at, entered_at), entered_at) as started_at,
        ended_at,
        moment_of(marketing_qualified) as marketing_qualified_at,
        basis_of(marketing_qualified) as marketing_qualified_basis,
        moment_of(handed_off) as handed_off_at,
        basis_of(handed_off) as handed_off_basis,
        least(moment_of(accepted), moment_of(sales_qualified)) as accepted_at,
        case
            when moment_of(accepted) = accepted_at then basis_of(accepted)
            when accepted_at is not null then 'implied'
        end::basis as acceptance_kind,
        moment_of(sales_qualified) as sales_qualified_at,
        basis_of(sales_qualified) as sales_qualified_basis,
        moment_of(opportunity) as opportunity_at,
        basis_of(opportunity) as opportunity_basis,
        moment_of(won) as won_at,
        basis_of(won) as won_basis,
        moment_of(exited) as exited_at,
        exited & 63 as exit_stage_code,
        reason_code,
        coalesce(recycled_at, captured_again_at) as recycled_at,
        coalesce(handed_off_at, marketing_qualified_at) as scored_at
    from passes inner join leads using (lead_key)
)
select
    row_number() over () as cycle_key,
    dated.* exclude (only_owner, exit_stage_code),
    stages.stage as exit_stage,
    stages.exit_kind,
    if(exited_at is not null, ended_at, null) as requalified_at,
    case
        when won_at is not null then 'won'
        when exited_at is null then 'open'
        when opportunity_at is not null then 'lost'
        when accepted_at is not null then 'disqualified'
        when handed_off_at is not null then 'rejected'
        else 'screened_out'
    end as outcome,
    coalesce(owner_periods.owner_id, only_owner) as owner_id
from dated
left join stages on dated.exit_stage_code = enum_code(stages.stage)
left join owner_periods
    on dated.lead_key = owner_periods.lead_key
    and coalesce(handed_off_at, started_at) >= owner_periods.owned_from
    and coalesce(handed_off_at, started_at) < owner_periods.owned_until;

-- What the lead and the reps did around the handoff; both big inputs are read once.

create table scored as
select records.lead_id, cycle_key, handed_off_at, scored_at
from cycles inner join records on cycles.lead_key = records.lead_key
where scored_at is not null;

-- The most urgent tier and its earliest moment are one number.
create table interest as
select
    cycle_key,
    min((tier_rank::bigint << 52) + moment) filter (
        moment >= handed_off_at - rule('intent_lookback')
    ) as tier_and_moment,
    sum(points) filter (moment >= scored_at - rule('score_lookback')) as points,
    max(moment) filter (points > 0 and moment >= scored_at - rule('score_lookback'))
        as last_interest_at
from (
    select lead_id, key_of(kind) as kind_key, epoch_us(occurred_at) as moment
    from export('engagements')
)
inner join scored using (lead_id)
inner join (
    select key_of(signal) as kind_key, interest_points as points, tier_rank
    from policy('signals') left join policy('sla_policies') using (intent_tier)
) using (kind_key)
where
    moment >= scored_at - greatest(rule('score_lookback'), rule('intent_lookback'))
    and moment <= scored_at
group by cycle_key;

create table handoffs as
with triggered as (
    select
        cycle_key,
        lead_key,
        cycles.handed_off_at,
        coalesce(exited_at, ended_at, getvariable('now')) as touch_until,
        tiers.*,
        if(tier_and_moment is null, handed_off_at, tier_and_moment & ((1::bigint << 52) - 1))
            as trigger_at
    from cycles
    left join interest using (cycle_key)
    inner join policy('sla_policies') as tiers
        on if(tier_and_moment is null, tiers.intent_tier = 'standard',
            tier_and_moment >> 52 = tiers.tier_rank)
    where handed_off_at is not null
),
closings as (
    select epoch_us(day + closes_at::time) as closes_at
    from (
        select unnest(generate_series(
            make_timestamp(min(handed_off_at))::date,
            make_timestamp(max(handed_off_at))::date + 366,
            interval 1 day
        ))::date as day
        from triggered
    )
    inner join policy('working_hours') on lower(dayname(day)) = key_of(weekday)
)
select
    triggered.*,
    if(clock = 'working_day', closes_at, handed_off_at + (target_minutes * 60e6)::bigint) as due_at
from triggered
asof left join closings on triggered.handed_off_at < closings.closes_at;

create table touches as
select cycle_key, min(moment) as first_touch_at
from (
    select lead_id, epoch_us(occurred_at) as moment
    from export('activities')
    where
        key_of(kind) in (select key_of(kind) from policy('activity_kinds') where is_touch)
        and coalesce(key_of(direction), '') <> 'inbound'
)
inner join records using (lead_id)
inner join handoffs
    on records.lead_key = handoffs.lead_key and moment between trigger_at and touch_until
group by cycle_key;

create table fct_lead_cycles as
with
routed as (
    select cycle_key, arg_min(owner_periods.owner_id, owned_from) as owner_id
    from cycles
    inner join owner_periods
        on cycles.lead_key = owner_periods.lead_key
        and owned_from > handed_off_at and owned_from <= handed_off_at + rule('owner_grace')
    where cycles.owner_id is null
    group by cycle_key
),
amounts as (
    select
        cycle_key,
        sum(amount) as opportunity_amount,
        if(count(*) filter (status = 'won') = 0, 0, sum(amount) filter (status = 'won'))
            as won_amount
    from deals
    inner join cycles
        on deals.lead_key = cycles.lead_key
        and (cycle_number = 1 or created_at >= started_at)
        and created_at < coalesce(ended_at, 9223372036854775807)
    group by cycle_key
),
points as (
    select
        cycle_key,
        fit_score,
        if(last_interest_at is null, 0, greatest(0, points - floor(
            (scored_at - last_interest_at) / rule('decay_period')
        ) * rule('decay_points'))) as interest_score
    from cycles
    inner join leads on cycles.lead_key = leads.lead_key
    left join interest using (cycle_key)
    where scored_at is not null
),
bands as (
    select score, arg_max(score_band, coalesce(min_score, '-inf'::double)) as score_band
    from (select distinct fit_score + interest_score as score from points)
    inner join policy('score_bands') on score >= coalesce(min_score, '-inf'::double)
    group by score
)
select
    cycles.lead_key,
    cycles.lead_id,
    cycle_number,
    start_kind,
    make_timestamp(started_at) as cycle_started_at,
    make_timestamp(ended_at) as cycle_ended_at,
    make_timestamp(marketing_qualified_at) as marketing_qualified_at,
    marketing_qualified_basis,
    make_timestamp(cycles.handed_off_at) as handed_off_at,
    handed_off_basis,
    null::timestamp as acceptance_due_at,
    make_timestamp(accepted_at) as accepted_at,
    acceptance_kind,
    case
        when cycles.handed_off_at is null then null
        when accepted_at is not null then 'accepted'
        when exited_at is not null then 'rejected'
        else 'pending'
    end as acceptance_status,
    make_timestamp(sales_qualified_at) as sales_qualified_at,
    sales_qualified_basis,
    make_timestamp(opportunity_at) as opportunity_at,
    opportunity_basis,
    make_timestamp(won_at) as won_at,
    won_basis,
    make_timestamp(exited_at) as exited_at,
    exit_stage,
    exit_kind,
    outcome,
    reason_code,
    false as is_late_rejection,
    make_timestamp(recycled_at) as recycled_at,
    make_timestamp(requalified_at) as requalified_at,
    recycled_at is not null or requalified_at is not null as is_recycled,
    coalesce(cycles.owner_id, routed.owner_id) as owner_id,
    handoffs.intent_tier,
    make_timestamp(trigger_at) as intent_trigger_at,
    make_timestamp(first_touch_at) as first_touch_at,
    (first_touch_at - trigger_at) / 60e6 as request_to_touch_minutes,
    first_touch_at < cycles.handed_off_at as touched_before_handoff,
    greatest((first_touch_at - cycles.handed_off_at) / 60e6, if(first_touch_at is null, null, 0))
        as speed_to_lead_minutes,
    make_timestamp(due_at) as sla_due_at,
    case
        when handoffs.cycle_key is null then null
        when handed_off_basis <> 'explicit' or not exists (
            from export('activities') where epoch_us(occurred_at) <= getvariable('now')
        ) then 'unknown'
        when first_touch_at <= due_at then 'met'
        when first_touch_at > due_at then 'breached'
        when exited_at <= due_at or won_at <= due_at then 'not_applicable'
        when getvariable('now') <= due_at then 'open'
        else 'breached'
    end as sla_status,
    make_timestamp(scored_at) as scored_at,
    points.fit_score::double as fit_score,
    points.interest_score,
    points.fit_score + points.interest_score as score,
    score_band,
    lead_source,
    segment,
    country,
    if(amounts.cycle_key is null, 0, opportunity_amount)::decimal(18, 2) as opportunity_amount,
    if(amounts.cycle_key is null, 0, won_amount)::decimal(18, 2) as won_amount
from cycles
inner join leads on cycles.lead_key = leads.lead_key
left join routed using (cycle_key)
left join handoffs using (cycle_key)
left join touches using (cycle_key)
left join points using (cycle_key)
left join bands on points.fit_score + points.interest_score = bands.score
left join amounts using (cycle_key);

-- Violations

create table lifecycle_violations as
with
now as (select make_timestamp(getvariable('now')) as now),
coverage as (
    select
        exists (from export('leads') where owner_id is not null)
        or exists (from owner_periods where owner_id is not null) as has_owners,
        exists (
            from export('activities') where epoch_us(occurred_at) <= getvariable('now')
        ) as has_activities,
        exists (
            from export('stage_changes')
            where key_of(reason) is not null and epoch_us(changed_at) <= getvariable('now')
        ) as has_stage_reasons,
        exists (
            from export('opportunities')
            where key_of(loss_reason) is not null and epoch_us(created_at) <= getvariable('now')
        ) as has_loss_reasons
),
visit_findings as (
    select
        case transition_kind
            when 'backward' then 'backward_transition' when 'skip' then 'skipped_stage'
            else 'invalid_transition'
        end as rule,
        coalesce(from_stage::varchar || ' > ', '') || stage::varchar as detail,
        * exclude (stage_label)
    from fct_lead_stages
    where not is_valid_transition
    union all by name
    select 'stage_before_creation' as rule, stage::varchar as detail, * exclude (stage_label)
    from fct_lead_stages
    where is_before_creation
    union all by name
    select
        case exit_kind
            when 'rejected' then 'rejection_reason_missing'
            when 'disqualified' then 'disqualification_reason_missing'
            when 'lost' then 'loss_reason_missing'
            else 'recycle_reason_missing'
        end as rule,
        stage::varchar as detail,
        fct_lead_stages.* exclude (stage_label)
    from fct_lead_stages, coverage
    where
        reason_required and exit_kind is not null and reason_raw is null
        and if(history_quality = 'opportunity', has_loss_reasons, has_stage_reasons)
    union all by name
    select 'unknown_reason' as rule, reason_raw as detail, * exclude (stage_label)
    from fct_lead_stages
    where reason_code = 'unknown'
),
cycle_findings as (
    select 'not_recycled' as rule, outcome as detail, exited_at as occurred_at, fct_lead_cycles.*
    from fct_lead_cycles, now
    inner join policy('reason_codes') as codes
        on if(fct_lead_cycles.reason_code in (select reason_code from policy('reason_codes')),
            fct_lead_cycles.reason_code, 'other') = codes.reason_code
    where
        outcome in ('rejected', 'disqualified') and not is_recycled
        and exited_at + to_microseconds(rule('recycle_grace')) < now
        and codes.recycle_after_days is not null
    union all by name
    select 'handoff_without_owner' as rule, handed_off_at as occurred_at, fct_lead_cycles.*
    from fct_lead_cycles, now, coverage
    where
        owner_id is null and has_owners
        and handed_off_at + to_microseconds(rule('owner_grace')) < now
    union all by name
    select
        'untouched_past_sla' as rule, intent_tier as detail, sla_due_at as occurred_at,
        fct_lead_cycles.*
    from fct_lead_cycles, coverage
    where sla_status = 'breached' and first_touch_at is null and has_activities
    union all by name
    select 'handoff_without_decision' as rule, handed_off_at as occurred_at, fct_lead_cycles.*
    from fct_lead_cycles, now
    where
        acceptance_status = 'pending' and handed_off_basis <> 'inferred'
        -- Where sales must set a stage that means accepted, it has the acceptance window.
        and handed_off_at + to_microseconds(if(
            exists (from stages where milestone = 'accepted' and not is_optional),
            (
                select (window_hours * 3600e6)::bigint from policy('traditions')
                where tradition = 'four_stage'
            ),
            rule('qualification_grace')
        )) < now
    union all by name
    select 'accepted_without_qualification' as rule, accepted_at as occurred_at, fct_lead_cycles.*
    from fct_lead_cycles, now
    where
        acceptance_kind <> 'inferred' and sales_qualified_at is null and exited_at is null
        and accepted_at + to_microseconds(rule('qualification_grace')) < now
    union all by name
    select
        'sales_qualified_without_opportunity' as rule, sales_qualified_at as occurred_at,
        fct_lead_cycles.*
    from fct_lead_cycles, now
    where
        sales_qualified_basis <> 'inferred' and opportunity_at is null and exited_at is null
        and sales_qualified_at + to_microseconds(rule('opportunity_grace')) < now
),
-- Leads called otherwise than their last visit; then what was last observed is looked up.
called_otherwise as (
    select leads.*
    from leads
    inner join fct_lead_stages as last_visits
        on leads.lead_key = last_visits.lead_key and last_visits.is_current
    where
        leads.current_stage <> last_visits.stage
        and (
            leads.lead_key in (select lead_key from deals)
            or leads.lead_key in (
                select lead_key from first_changes where moment <= getvariable('now')
            )
        )
),
unmapped as (
    select
        lead_key,
        key_of(unmapped_stage) as raw_key,
        arg_min(unmapped_stage, (moment, change_id, record)) as detail,
        min(moment) as moment
    from changes
    where unmapped_stage is not null and moment <= getvariable('now')
    group by lead_key, raw_key
),
lead_findings as (
    select 'current_stage_differs' as rule, current_stage::varchar as detail, stage_at as moment, *
    from called_otherwise
    where current_stage is distinct from (
        select arg_max(stage, (moment, path_order, change_id, record))
        from changes
        where
            changes.lead_key = called_otherwise.lead_key and stage is not null
            and moment <= getvariable('now')
    )
    union all by name
    select 'unmapped_stage' as rule, unmapped.detail, unmapped.moment, leads.*
    from unmapped inner join leads on unmapped.lead_key = leads.lead_key
    union all by name
    select 'unmapped_stage' as rule, current_stage_raw as detail, stage_at as moment, leads.*
    from leads
    anti join unmapped
        on leads.lead_key = unmapped.lead_key and key_of(current_stage_raw) = unmapped.raw_key
    where current_stage is null and current_stage_raw is not null
    union all by name
    select
        'won_without_closing_date' as rule, opportunity_id as detail, deals.created_at as moment,
        leads.* replace (coalesce(deals.owner_id, leads.owner_id) as owner_id)
    from deals inner join leads on deals.lead_key = leads.lead_key
    where is_closing_date_missing
),
findings as (
    select
        lead_id, cycle_number, visit_number, rule, detail, entered_at as occurred_at, owner_id
    from visit_findings
    union all by name
    select lead_id, cycle_number, rule, detail, occurred_at, owner_id from cycle_findings
    union all by name
    select lead_id, rule, detail, make_timestamp(moment) as occurred_at, owner_id from lead_findings
)
select
    *,
    if(rule in (
        'rejection_reason_missing', 'disqualification_reason_missing', 'loss_reason_missing',
        'recycle_reason_missing', 'backward_transition', 'invalid_transition', 'unmapped_stage',
        'handoff_without_owner'
    ), 'error', 'warning') as severity
from findings;
