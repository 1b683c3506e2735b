"""What must hold of the business's data, as Great Expectations suites.

One module per table is one suite: a tuple ``CHECKS`` of assertions as data (``check.Check``).
``catalogue`` lists them all, ``validation`` runs them on a warehouse file through Great
Expectations. Keys, relationships and accepted values are dbt's and are not repeated here. Nothing
in this package knows Dagster, and nothing loads Great Expectations before a suite is run.
"""
