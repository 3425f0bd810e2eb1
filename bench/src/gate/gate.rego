# The gate's question, as Open Policy Agent is asked it.
package gate

default answer := {"decision": false, "context": {"reason": "unknown_system"}}

choice := data.suppressed[input.subject.type][input.subject.id]

is_known if {
	input.resource.type == "admt_system"
	input.resource.id in {"hiring", "credit"}
	input.action.name == "infer"
}

answer := {"decision": false, "context": {
	"reason": "suppressed",
	"right": concat(":", ["admt", input.resource.id]),
	"choice_id": choice.choice_id,
	"since": choice.since,
	"obligations": [{"id": choice.choice_id, "type": "custom", "properties": {"action": "rules_only"}}],
}} if {
	is_known
	choice
}

answer := {"decision": true, "context": {"reason": "clear"}} if {
	is_known
	not choice
}
