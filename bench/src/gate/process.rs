//! A process that is measured. It ends with whoever started it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// What it says goes to a file.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let file = File::create(log).unwrap();
        let child = command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).spawn();
        let child = child.unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
        Self { child, log: log.to_owned() }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// It has not ended by itself.
    pub fn must_run(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("it ended ({status}):\n{}", std::fs::read_to_string(&self.log).unwrap_or_default());
        }
    }

    /// SIGTERM, and the end.
    pub fn stop(mut self) {
        let asked = Command::new("kill").arg("-TERM").arg(self.id().to_string()).status().unwrap();
        assert!(asked.success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "it did not end well ({status}); its log is {}", self.log.display());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Gone already, or to go with this.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
