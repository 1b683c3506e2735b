"""A small warehouse in which every check passes, made by hand with the columns the checks read.

75 days of 60 leads a day: enough for the checks that ask for a minimum of data. Of ten leads two
are rejected, one is disqualified, one lost, one recycled; the others wait.
"""

from pathlib import Path

import duckdb

from dagster_project.config.contract import CONTRACT_TABLES
from dagster_project.ingestion.landing import ensure_raw_tables

AS_OF = "2026-06-30 00:00:00"
DAYS, LEADS_A_DAY = 75, 60
LEADS = DAYS * LEADS_A_DAY

# rule of the lifecycle -> where its cases come from: every visit, or every lead's cycle.
RULES = {
    "rejection_reason_missing": "visits where exit_kind = 'rejected'",
    "disqualification_reason_missing": "visits where exit_kind = 'disqualified'",
    "loss_reason_missing": "visits where exit_kind = 'lost'",
    "recycle_reason_missing": "visits where exit_kind = 'recycled'",
    "unknown_reason": "visits where reason_code is not null",
    "backward_transition": "visits",
    "skipped_stage": "visits",
    "invalid_transition": "visits",
    "unmapped_stage": "cycles",
    "current_stage_differs": "cycles",
    "stage_before_creation": "visits",
    "not_recycled": "cycles",
    "handoff_without_owner": "cycles",
    "untouched_past_sla": "cycles",
    "sales_qualified_without_opportunity": "cycles",
    "handoff_without_explicit_intent": "cycles",
}


def write_clean_warehouse(path: Path) -> None:
    """Write the warehouse file."""
    connection = duckdb.connect(str(path))
    ensure_raw_tables(connection)
    connection.execute(
        "insert into raw.run_parameters (as_of, policy_fingerprint) "
        f"values ('{AS_OF}', 'as signed')"
    )
    connection.execute("create schema build; create schema quality")
    connection.execute(_LEADS + _VISITS + _CYCLES + _SOURCES)
    for rule, cases in RULES.items():
        connection.execute(
            f"""
            insert into quality.rule_cases
            select '{rule}', source_system, lead_id, cycle_number, visit_number, 'R1', occurred_at,
                false, occurred_at
            from quality.{cases}
            """
        )
    connection.execute("drop view quality.visits; drop view quality.cycles")
    for name, table in CONTRACT_TABLES.items():
        connection.execute(f"create table if not exists build.int_contract__{name} (lead_id text)")
        connection.execute(
            f"""
            insert into quality.row_counts values ('crm', '{name}', 1000, 990, 0, 10);
            insert into quality.row_history
            values ('b1', timestamp '{AS_OF}' - interval 1 day, 'crm', '{name}', 1100);
            insert into raw.loads (source_system, table_name, rows_read, is_current)
            values ('crm', '{name}', 400, true), ('crm', '{name}', 600, true),
                ('crm', '{name}', 77, false);
            insert into quality.column_history
            select build_number, 'b' || build_number, 'crm', '{name}', column_name, 1000
            from (select unnest({list(table.columns)}) as column_name)
            cross join (values (1), (2)) as builds (build_number)
            """
        )
    connection.close()


_LEADS = f"""
create table build.dim_leads as
select
    'crm' as source_system,
    'L' || lpad(cast(number as varchar), 4, '0') as lead_id,
    timestamp '{AS_OF}' - interval 1 day * ({DAYS} - number // {LEADS_A_DAY})
    + interval 1 second * ((number % {LEADS_A_DAY}) * 1200 + number // {LEADS_A_DAY})
        as created_at,
    'organic' as lead_source,
    'rep' || number % 7 as owner_id,
    'smb' as segment,
    number
from range({LEADS}) as numbers (number);

create table build.lead_accounting as
select source_system, lead_id, 'in marts' as bucket from build.dim_leads
union all
select 'crm', 'merged' || number, 'merged' from range(5) as numbers (number);
"""

_VISITS = """
create table build.fct_lead_stages as
with paths as (
    select
        source_system, lead_id, created_at, owner_id, number,
        case
            when number % 10 in (1, 2) then ['mql', 'rejected']
            when number % 10 = 3 then ['mql', 'sal', 'sql', 'opportunity', 'closed_lost']
            when number % 10 = 4 then ['mql', 'nurture']
            when number % 10 = 5 then ['mql', 'sal', 'disqualified']
            else ['mql']
        end as path
    from build.dim_leads
),

visits as (
    select *, unnest(path) as stage, generate_subscripts(path, 1) as visit_number
    from paths
),

dated as (
    select
        *,
        created_at + interval 10 minute * visit_number as entered_at,
        case stage
            when 'rejected' then 'rejected' when 'closed_lost' then 'lost'
            when 'nurture' then 'recycled' when 'disqualified' then 'disqualified'
        end as exit_kind
    from visits
)

select
    source_system, lead_id, 1 as cycle_number, cast(visit_number as integer) as visit_number,
    stage, exit_kind, entered_at,
    lead(entered_at) over (partition by lead_id order by visit_number) as exited_at,
    row_number() over (partition by lead_id order by visit_number desc) = 1 as is_current,
    case
        when exit_kind is not null then
            ['not_icp', 'no_budget', 'no_response', 'competitor', 'other'][
                1 + number // 10 % 5 * (number // 10 % 7) % 5
            ]
    end as reason_code,
    owner_id as changed_by
from dated;
"""

_CYCLES = """
create table build.fct_lead_cycles as
select
    source_system, lead_id, cycle_number, min(entered_at) as cycle_started_at,
    cast(null as timestamp) as cycle_ended_at,
    min(entered_at) as marketing_qualified_at,
    min(entered_at) as handed_off_at,
    min(entered_at) filter (where stage in ('sal', 'sql', 'opportunity')) as accepted_at,
    min(entered_at) filter (where stage in ('sql', 'opportunity')) as sales_qualified_at,
    min(entered_at) filter (where stage = 'opportunity') as opportunity_at,
    cast(null as timestamp) as won_at
from build.fct_lead_stages
group by source_system, lead_id, cycle_number;

create view quality.visits as
select *, entered_at as occurred_at from build.fct_lead_stages;
create view quality.cycles as
select *, cast(null as integer) as visit_number, handed_off_at as occurred_at
from build.fct_lead_cycles;

create table quality.rule_cases (
    rule varchar, source_system varchar, lead_id varchar, cycle_number integer,
    visit_number integer, owner_id varchar, occurred_at timestamp, is_broken boolean,
    judged_at timestamp
);
"""

_SOURCES = """
insert into raw.sources values ('crm', 1);
create table quality.row_history (
    build_id varchar, ran_at timestamp, source_system varchar, table_name varchar,
    rows_read bigint
);
create schema policy;
create table policy.definition_versions as select unnest([1, 2]) as version;
create table build.build_info as select 'b2' as build_id;
create table quality.policy_history as
select 1 as signed_version, 'before' as policy_fingerprint, 'b0' as build_id
union all
select 2, 'as signed', 'b1';
create table build.int_source_coverage as
select
    'crm' as source_system, true as has_owners, true as has_activities, true as has_engagements;
create table build.int_stage_changes as
select source_system, lead_id, created_at as changed_at from build.dim_leads;
create table build.fct_activities as
select source_system, lead_id, created_at as occurred_at from build.dim_leads;
create table build.fct_engagements as
select source_system, lead_id, created_at as occurred_at from build.dim_leads;
create table build.fct_opportunities as
select source_system, lead_id, created_at from build.dim_leads where number % 10 = 3;
create table build.int_contract__owner_changes as
select source_system, lead_id, created_at as changed_at from build.dim_leads;
create table build.int_contract__channel_spend as
select distinct source_system, owner_id as channel, cast(created_at as date) as spend_date
from build.dim_leads;

create table quality.quarantine (
    source_system varchar, load_id bigint, table_name varchar, source_file varchar,
    source_row bigint, column_name varchar, reason varchar, row_json varchar
);
create table quality.row_counts (
    source_system varchar, table_name varchar, rows_read bigint, rows_staged bigint,
    rows_quarantined bigint, exact_duplicates bigint
);
create table quality.column_history (
    build_number bigint, build_id varchar, source_system varchar, table_name varchar,
    column_name varchar, filled_rows bigint
);
"""
