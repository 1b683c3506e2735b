select
    source_system,
    table_name,
    column_name,
    nullif(stage_date, '') as stage_date,
    format_kind,
    decided,
    value_count,
    day_or_dot_count,
    day_or_dot_sample,
    month_or_comma_count,
    month_or_comma_sample,
    either_count,
    either_sample
from {{ ref('int_contract__formats') }}
where decided is not null
