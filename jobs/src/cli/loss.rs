//! What happens when records are gone that a job needs.

use clap::Args;
use engine::OnDataLoss;

/// How a job takes the loss of records.
#[derive(Debug, Args)]
pub(super) struct OnLoss {
    /// What to do when records are gone that a start needs: their retention was too short, or a topic was made anew or cut off
    ///
    /// `fail` stops and says what is gone. `skip` says so and goes on with what is there: what was final stays so, what was open
    /// is told anew from the records that are left, and withdrawn where they do not carry it. It is not part of a job's
    /// definition, for who operates it decides it when it happens: start once with `skip`, then again without.
    #[arg(long, value_name = "WHAT", default_value = "fail", value_parser = ["fail", "skip"])]
    on_data_loss: String,
}

impl Default for OnLoss {
    fn default() -> Self {
        Self { on_data_loss: "fail".to_owned() }
    }
}

impl OnLoss {
    pub(super) fn get(&self) -> OnDataLoss {
        if self.on_data_loss == "skip" { OnDataLoss::Skip } else { OnDataLoss::Fail }
    }
}
