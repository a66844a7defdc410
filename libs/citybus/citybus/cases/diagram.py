"""State diagrams in Mermaid, drawn from the declared machines."""

from citybus.cases.declare import CaseType


def mermaid(case_type: CaseType) -> str:
    """Return the state diagram of a case type as Mermaid text, with Chinese and English labels."""
    lines = ["stateDiagram-v2"]
    for state, (zh, en) in case_type.states.items():
        lines.append(f'    state "{zh} {en}" as {state}')
    lines.append(f"    [*] --> {case_type.initial}: create")
    for source, action, target in case_type.transitions:
        declared = case_type.actions[action]
        who = "/".join(declared.allow) or "system"
        twice = f" ×{declared.eyes}" if declared.eyes > 1 else ""
        lines.append(f"    {source} --> {target}: {action} {declared.zh} [{who}{twice}]")
    finals = set(case_type.states) - {source for source, _, _ in case_type.transitions}
    lines.extend(f"    {state} --> [*]" for state in case_type.states if state in finals)
    return "\n".join(lines) + "\n"
