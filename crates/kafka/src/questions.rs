//! Questions about partitions, answered on a thread of their own: the brokers may take long, and the engine's thread must
//! not stand still.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use quell_engine::log::InputPartition;
use rdkafka::error::KafkaResult;

/// Asks, one question at a time.
pub(crate) struct Questions<A> {
    questions: Option<Sender<(u64, Vec<InputPartition>)>>,
    answers: Receiver<(u64, KafkaResult<A>)>,
    /// Answers to earlier questions are of no use: partitions came, went or were rewound since.
    number: u64,
    is_asked: bool,
    thread: Option<JoinHandle<()>>,
}

impl<A: Send + 'static> Questions<A> {
    /// Begins the thread, which answers each question by `answer`.
    pub fn start(
        thread: &str,
        answer: impl Fn(&[InputPartition]) -> KafkaResult<A> + Send + 'static,
    ) -> std::io::Result<Self> {
        let (questions, asked) = channel::<(u64, Vec<InputPartition>)>();
        let (given, answers) = channel();
        let thread = std::thread::Builder::new().name(thread.to_owned()).spawn(move || {
            while let Ok((number, partitions)) = asked.recv() {
                if given.send((number, answer(&partitions))).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { questions: Some(questions), answers, number: 0, is_asked: false, thread: Some(thread) })
    }

    /// Whether a question waits for its answer.
    pub fn is_asked(&self) -> bool {
        self.is_asked
    }

    /// Asks about these partitions. An earlier question is forgotten.
    pub fn ask(&mut self, partitions: Vec<InputPartition>) {
        self.forget();
        if let Some(questions) = &self.questions {
            self.is_asked = true;
            // The thread ends only after this handle.
            drop(questions.send((self.number, partitions)));
        }
    }

    /// What was asked for is no longer what is wanted.
    pub fn forget(&mut self) {
        self.number += 1;
        self.is_asked = false;
    }

    /// The answer, if it is there.
    pub fn poll(&mut self) -> Option<KafkaResult<A>> {
        while let Ok((number, answer)) = self.answers.try_recv() {
            if self.is_asked && number == self.number {
                self.forget();
                return Some(answer);
            }
        }
        None
    }
}

impl<A> Drop for Questions<A> {
    fn drop(&mut self) {
        self.questions = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
