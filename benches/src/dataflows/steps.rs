//! The steps of the job `city`, built without an engine around them.

use engine::plan::{Plan, Wire};
use jobs::catalogue::{Context, Port, Step, build};

/// Builds every step of a plan over what flows in, by kind. Where sightings flow in they are taken in the place of what `track` would
/// say. `camera_silent` is left out: it asks how far topics have been read, which only an engine knows.
pub(super) fn steps<'scope>(
    plan: &Plan<Step>,
    context: &Context,
    sightings: Option<Port<'scope>>,
    source: impl Fn(&str) -> Port<'scope>,
) -> Vec<Vec<Port<'scope>>> {
    let mut steps: Vec<Vec<Port<'scope>>> = Vec::new();
    for planned in &plan.steps {
        let port = |wire: &Wire| match wire {
            Wire::Source(number) => source(plan.sources[*number].kind),
            Wire::Step { step, port } => steps[*step][*port].clone(),
        };
        let built = match (&planned.step, &sightings) {
            (Step::Track(_), Some(sightings)) => vec![sightings.clone()],
            (Step::CameraSilent(_), _) => Vec::new(),
            (step, _) => {
                let inputs = planned.inputs.iter().filter_map(|wires| wires.iter().map(port).reduce(Port::concat)).collect();
                build(step, inputs, || unreachable!("only a silent camera is judged by how far was read"), drop, context, context.lateness)
            }
        };
        steps.push(built);
    }
    steps
}
