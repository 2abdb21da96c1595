"""The pack: every rule of `stacks/policy.py`, mandatory, for every resource of an account.

pulumi preview --policy-pack policy
"""

from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy

from stacks import policy_pack

PolicyPack(
    name="cowbench",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[
        ResourceValidationPolicy(name=name.replace("_", "-"), description=description, validate=policy_pack.validator(name))
        for name, description in policy_pack.rules()
    ],
)
