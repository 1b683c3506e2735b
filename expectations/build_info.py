"""Suite of the build itself: whether what it went by was agreed on."""

from expectations.check import Check

TABLE = "build.build_info"

CHECKS: tuple[Check, ...] = (
    Check(
        name="policy_changes_are_signed",
        headline="the policy changed without a signed version",
        description="The policy says what it said when its newest signed version was first built.",
        severity="warning",
        owner="data",
        runbook="Agree on the change and add a row to definition_versions.csv, or take it back; "
        "handoff compare shows what it does to the figures.",
        cases="""
            select
                signed.signed_version,
                signed.build_id as first_build,
                signed.policy_fingerprint <> parameters.policy_fingerprint as is_broken
            from raw.run_parameters as parameters
            cross join quality.policy_history as signed
            where signed.signed_version = (
                select coalesce(max(version), 0) from policy.definition_versions
            )
        """,
        keys=("signed_version", "first_build"),
    ),
)
