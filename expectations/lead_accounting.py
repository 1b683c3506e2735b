"""Suite of ``lead_accounting``: no lead is lost between the CRM and the marts."""

from expectations.check import Check, model_promise

TABLE = "build.lead_accounting"

CHECKS: tuple[Check, ...] = (
    model_promise(
        name="surviving_leads_are_in_the_marts",
        headline="{failing} lead{s} lost or doubled on the way to the marts",
        description="The leads in dim_leads are those that the accounting puts in the marts, "
        "each once, and no others.",
        runbook="A defect of the models, not of the CRM: look at int_lead_records for the listed "
        "leads.",
        cases="""
            select
                source_system, lead_id,
                sum(accounted) <> 1 or sum(shown) <> 1 as is_broken
            from (
                select source_system, lead_id, 1 as accounted, 0 as shown
                from build.lead_accounting
                where bucket = 'in marts'
                union all
                select source_system, lead_id, 0 as accounted, 1 as shown
                from build.dim_leads
            ) as both_sides
            group by source_system, lead_id
        """,
        keys=("source_system", "lead_id"),
    ),
    model_promise(
        name="facts_know_only_leads_in_the_marts",
        headline="{failing} lead{s} in the facts that should not be there",
        description="Every lead of the facts is one that the accounting puts in the marts.",
        runbook="A defect of the models, not of the CRM: look at int_lead_records for the listed "
        "leads.",
        cases="""
            select
                facts.source_system, facts.lead_id,
                accounting.lead_id is null as is_broken
            from (
                select source_system, lead_id from build.fct_lead_stages
                where visit_number = 1
                union
                select source_system, lead_id from build.fct_lead_cycles
                where cycle_number = 1
            ) as facts
            left join build.lead_accounting as accounting
                on
                    facts.source_system = accounting.source_system
                    and facts.lead_id = accounting.lead_id
                    and accounting.bucket = 'in marts'
        """,
        keys=("source_system", "lead_id"),
    ),
)
