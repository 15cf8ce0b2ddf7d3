//! Python's pickles, as far as a state dictionary needs them.
//!
//! A pickle is a program for a machine with a stack. This machine knows dictionaries, lists, tuples, texts, numbers and
//! PyTorch's tensors; what else a program asks for becomes a thing without meaning, and is never run. Every object is made by at
//! least one byte of the file and lies in one list, so that no file makes it deep, cyclic or larger than it is.

use std::collections::BTreeMap;

use candle_core::{DType, Device};

use super::Tensor;

/// The most bytes a pickle may have: the names and shapes of twenty thousand tensors. An object takes a few dozen bytes
/// of memory for every byte that makes one.
const BYTES_MOST: usize = 4 << 20;
/// The longest name of a class or a storage, in bytes.
const NAME_MOST: usize = 256;
/// The most dimensions a tensor may have.
const DIMENSIONS_MOST: usize = 8;

/// An object, by its place in the machine's list.
type Reference = usize;

/// How many times all tensors together may take a storage's values: weights that are tied share one.
const SHARED_MOST: usize = 8;

/// What a pickle built.
#[derive(Debug)]
enum Object {
    Nothing,
    Number(i128),
    Text(String),
    /// A class or function, module and name.
    Global(String),
    Tuple(Vec<Reference>),
    List(Vec<Reference>),
    Dictionary(Vec<[Reference; 2]>),
    Storage(Box<Storage>),
    Tensor(Box<View>),
}

/// Values that lie in the file outside of the pickle.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Storage {
    /// Under which name.
    pub(super) key: String,
    /// What they are; `None` for kinds that no weight has.
    pub(super) kind: Option<DType>,
    /// How many the file says they are.
    pub(super) claimed: usize,
}

/// A tensor that looks at a storage.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// What it looks at.
    pub(super) storage: Storage,
    /// Where it begins, in values.
    pub(super) offset: usize,
    /// How many values each dimension has.
    pub(super) shape: Vec<usize>,
    /// How far apart two neighbours are in each dimension, in values.
    pub(super) strides: Vec<usize>,
}

/// A pickle that was read, and what follows it.
pub(super) struct Pickle {
    objects: Vec<Object>,
    root: Reference,
    /// How many bytes it took.
    pub(super) length: usize,
}

impl Pickle {
    /// Reads the pickle at the beginning of the bytes.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let bytes = &bytes[..bytes.len().min(BYTES_MOST)];
        let mut machine =
            Machine { bytes, at: 0, objects: vec![Object::Nothing], stack: Vec::new(), marks: Vec::new(), memory: BTreeMap::new() };
        let root = loop {
            if let Some(root) = machine.step()? {
                break root;
            }
        };
        Ok(Self { root, length: machine.at, objects: machine.objects })
    }

    /// The number it is, if it is one.
    pub(super) fn number(&self) -> Option<i128> {
        number(&self.objects[self.root])
    }

    /// The texts of the list it is.
    pub(super) fn texts(&self) -> Option<Vec<&str>> {
        let Object::List(list) = &self.objects[self.root] else { return None };
        list.iter().map(|item| self.text(*item)).collect()
    }

    /// Whether it is a dictionary in which a name stands for 0, `False` in Python.
    pub(super) fn denies(&self, name: &str) -> bool {
        self.entry(self.root, name).is_some_and(|value| number(&self.objects[value]) == Some(0))
    }

    /// The tensors of the state dictionary that it is, or that it holds as `state_dict` or `model`.
    pub(super) fn tensors(&self) -> Vec<(&str, &View)> {
        let held = ["state_dict", "model"].iter().find_map(|name| self.entry(self.root, name));
        let named = |[key, value]: &[Reference; 2]| match &self.objects[*value] {
            Object::Tensor(view) => Some((self.text(*key)?, view.as_ref())),
            _ => None,
        };
        [held, Some(self.root)]
            .into_iter()
            .flatten()
            .find_map(|root| self.dictionary(root))
            .map_or(Vec::new(), |entries| entries.iter().filter_map(named).collect())
    }

    fn dictionary(&self, of: Reference) -> Option<&[[Reference; 2]]> {
        if let Object::Dictionary(entries) = &self.objects[of] { Some(entries) } else { None }
    }

    fn entry(&self, of: Reference, name: &str) -> Option<Reference> {
        self.dictionary(of)?.iter().find(|[key, _]| self.text(*key) == Some(name)).map(|[_, value]| *value)
    }

    fn text(&self, of: Reference) -> Option<&str> {
        if let Object::Text(text) = &self.objects[of] { Some(text) } else { None }
    }
}

fn number(object: &Object) -> Option<i128> {
    if let Object::Number(number) = object { Some(*number) } else { None }
}

/// The machine while it runs.
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    objects: Vec<Object>,
    stack: Vec<Reference>,
    /// How high the stack was at each mark.
    marks: Vec<usize>,
    /// What was put aside, by number.
    memory: BTreeMap<usize, Reference>,
}

impl Machine<'_> {
    /// Does one instruction; the root once it was the last.
    fn step(&mut self) -> Result<Option<Reference>, String> {
        let instruction = self.byte()?;
        match instruction {
            b'.' => return self.pop().map(Some),
            // The version of the format, the length of what follows, a number with a point: none of them matters.
            0x80 => self.skip(1)?,
            0x95 => self.skip(8)?,
            b'G' => self.skip(8).map(|()| self.push(Object::Nothing))?,
            b'(' => self.marks.push(self.stack.len()),
            b'0' | b'b' => _ = self.pop()?,
            b'N' => self.push(Object::Nothing),
            0x88 => self.push(Object::Number(1)),
            0x89 => self.push(Object::Number(0)),
            b'K' => self.integer(1)?,
            b'M' => self.integer(2)?,
            b'J' => self.integer(4)?,
            0x8a => {
                let length = self.number(1)?;
                self.integer(length)?;
            }
            0x8c => self.text(1)?,
            b'X' => self.text(4)?,
            0x8d => self.text(8)?,
            b'c' => self.global()?,
            0x93 => self.stack_global()?,
            b')' => self.push(Object::Tuple(Vec::new())),
            b']' => self.push(Object::List(Vec::new())),
            b'}' => self.push(Object::Dictionary(Vec::new())),
            0x85..=0x87 => self.tuple(usize::from(instruction - 0x84))?,
            b't' => {
                let items = self.since_mark()?;
                self.push(Object::Tuple(items));
            }
            0x94 => self.remember(self.memory.len())?,
            b'q' | b'r' => {
                let number = self.number(if instruction == b'q' { 1 } else { 4 })?;
                self.remember(number)?;
            }
            b'h' | b'j' => {
                let number = self.number(if instruction == b'h' { 1 } else { 4 })?;
                self.recall(number)?;
            }
            b'a' | b'e' | b's' | b'u' => self.fill(instruction)?,
            b'Q' => self.persistent()?,
            b'R' | 0x81 => self.call()?,
            other => return Err(format!("instruction {other:#04x} at byte {} has no place in a state dictionary", self.at - 1)),
        }
        Ok(None)
    }

    fn take(&mut self, length: usize) -> Result<&[u8], String> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..length)).ok_or("it breaks off")?;
        self.at += length;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, String> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn skip(&mut self, length: usize) -> Result<(), String> {
        self.take(length).map(|_| ())
    }

    /// An unsigned number of so many bytes, the lowest first.
    fn number(&mut self, length: usize) -> Result<usize, String> {
        let number = self.take(length)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        usize::try_from(number).map_err(|error| error.to_string())
    }

    fn push(&mut self, object: Object) {
        self.stack.push(self.objects.len());
        self.objects.push(object);
    }

    fn pop(&mut self) -> Result<Reference, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(format!("byte {} takes from an empty stack", self.at));
        }
        self.stack.pop().ok_or_else(|| "its stack is empty".into())
    }

    fn since_mark(&mut self) -> Result<Vec<Reference>, String> {
        let mark = self.marks.pop().ok_or_else(|| format!("byte {} looks for a mark that is not there", self.at))?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn integer(&mut self, length: usize) -> Result<(), String> {
        let bytes = self.take(length)?;
        if length > 15 {
            return Err(format!("it holds a number of {length} bytes"));
        }
        let number = bytes.iter().rev().fold(0_i128, |number, byte| number << 8 | i128::from(*byte));
        let negative = length >= 4 && bytes.last().is_some_and(|byte| *byte >= 0x80);
        self.push(Object::Number(if negative { number - (1 << (8 * length)) } else { number }));
        Ok(())
    }

    fn text(&mut self, length_bytes: usize) -> Result<(), String> {
        let length = self.number(length_bytes)?;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.push(Object::Text(text));
        Ok(())
    }

    fn global(&mut self) -> Result<(), String> {
        let mut line = || {
            let rest = &self.bytes[self.at..];
            let end = rest.iter().take(NAME_MOST).position(|byte| *byte == b'\n').ok_or("it holds a name without an end")?;
            self.at += end + 1;
            Ok::<_, String>(String::from_utf8_lossy(&rest[..end]).into_owned())
        };
        let name = format!("{} {}", line()?, line()?);
        self.push(Object::Global(name));
        Ok(())
    }

    fn stack_global(&mut self) -> Result<(), String> {
        let [name, module] = [self.pop()?, self.pop()?];
        let (Object::Text(module), Object::Text(name)) = (&self.objects[module], &self.objects[name]) else {
            return Err("it names a class by something that is no text".into());
        };
        if module.len() + name.len() > NAME_MOST {
            return Err(format!("it names a class by more than {NAME_MOST} bytes"));
        }
        let global = format!("{module} {name}");
        self.push(Object::Global(global));
        Ok(())
    }

    fn tuple(&mut self, length: usize) -> Result<(), String> {
        let mut items = (0..length).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        items.reverse();
        self.push(Object::Tuple(items));
        Ok(())
    }

    /// Puts the top of the stack aside under a number.
    fn remember(&mut self, number: usize) -> Result<(), String> {
        let top = self.pop()?;
        self.stack.push(top);
        self.memory.insert(number, top);
        Ok(())
    }

    fn recall(&mut self, number: usize) -> Result<(), String> {
        let recalled = self.memory.get(&number).ok_or_else(|| format!("it recalls number {number}, which it never put aside"))?;
        self.stack.push(*recalled);
        Ok(())
    }

    /// Puts one item or those since the mark into the list or dictionary below them.
    fn fill(&mut self, instruction: u8) -> Result<(), String> {
        let items = match instruction {
            b'a' => vec![self.pop()?],
            b's' => self.pop().and_then(|value| Ok(vec![self.pop()?, value]))?,
            _ => self.since_mark()?,
        };
        let target = self.pop()?;
        self.stack.push(target);
        match (&mut self.objects[target], instruction) {
            (Object::List(list), b'a' | b'e') => list.extend(items),
            (Object::Dictionary(entries), b's' | b'u') if items.len() % 2 == 0 => entries.extend(items.as_chunks::<2>().0),
            // Attributes of a thing without meaning.
            (Object::Nothing, _) => {}
            _ => return Err(format!("byte {} fills what is neither list nor dictionary", self.at)),
        }
        Ok(())
    }

    /// The items of a tuple; of anything else none.
    fn items(&self, of: Reference) -> &[Reference] {
        if let Object::Tuple(items) = &self.objects[of] { items } else { &[] }
    }

    /// A storage, from `("storage", class, key, device, number of values)`.
    fn persistent(&mut self) -> Result<(), String> {
        let id = self.pop()?;
        let part = |place: usize| self.items(id).get(place).map(|item| &self.objects[*item]);
        let (Some(Object::Global(class)), Some(Object::Text(key)), Some(Object::Number(claimed))) = (part(1), part(2), part(4)) else {
            return Err("it refers to something that is no storage".into());
        };
        if key.len() > NAME_MOST {
            return Err(format!("it names a storage by more than {NAME_MOST} bytes"));
        }
        let kind = match class.as_str() {
            "torch FloatStorage" => Some(DType::F32),
            "torch DoubleStorage" => Some(DType::F64),
            "torch HalfStorage" => Some(DType::F16),
            "torch BFloat16Storage" => Some(DType::BF16),
            "torch LongStorage" => Some(DType::I64),
            "torch ByteStorage" => Some(DType::U8),
            _ => None,
        };
        let claimed = usize::try_from(*claimed).map_err(|_| format!("storage {key} claims {claimed} values"))?;
        let storage = Storage { key: key.clone(), kind, claimed };
        self.push(Object::Storage(Box::new(storage)));
        Ok(())
    }

    /// Calls a function: the few that make dictionaries and tensors are known, of all others the result has no meaning.
    fn call(&mut self) -> Result<(), String> {
        let [arguments, function] = [self.pop()?, self.pop()?];
        let arguments = self.items(arguments);
        let name = if let Object::Global(name) = &self.objects[function] { name.as_str() } else { "" };
        let result = match name {
            "collections OrderedDict" | "collections defaultdict" => Object::Dictionary(Vec::new()),
            "torch._utils _rebuild_tensor_v2" => {
                Object::Tensor(Box::new(self.view(arguments).ok_or("it holds a tensor without storage, place or shape")?))
            }
            "torch._utils _rebuild_parameter" => match arguments.first().map(|tensor| &self.objects[*tensor]) {
                Some(Object::Tensor(view)) => Object::Tensor(view.clone()),
                _ => return Err("it holds a parameter without a tensor".into()),
            },
            _ => Object::Nothing,
        };
        self.push(result);
        Ok(())
    }

    fn view(&self, arguments: &[Reference]) -> Option<View> {
        let [storage, offset, shape, strides] = arguments.first_chunk()?.map(|argument| &self.objects[argument]);
        let size = |item: &Reference| usize::try_from(number(&self.objects[*item])?).ok();
        let sizes = |object: &Object| match object {
            Object::Tuple(items) if items.len() <= DIMENSIONS_MOST => items.iter().map(size).collect(),
            _ => None,
        };
        let Object::Storage(storage) = storage else { return None };
        Some(View {
            storage: Storage::clone(storage),
            offset: usize::try_from(number(offset)?).ok()?,
            shape: sizes(shape)?,
            strides: sizes(strides)?,
        })
    }
}

/// The tensors that views see, `storage` giving the bytes under a key; those of kinds that no weight has are left out.
pub(super) fn gather<'a>(
    views: Vec<(&str, &View)>,
    storage: impl Fn(&str) -> Option<&'a [u8]>,
) -> Result<BTreeMap<String, Tensor>, String> {
    let mut tensors = BTreeMap::new();
    let mut taken = BTreeMap::<&str, usize>::new();
    for (name, view) in views {
        let key = view.storage.key.as_str();
        let bytes = storage(key).ok_or_else(|| format!("tensor {name}: its storage {key} is not in the file"))?;
        let Some(tensor) = view.read(bytes).map_err(|why| format!("tensor {name}: {why}"))? else { continue };
        let taken = taken.entry(key).or_default();
        *taken += tensor.values.len();
        if *taken / SHARED_MOST > bytes.len() {
            return Err(format!("its tensors take storage {key} more than {SHARED_MOST} times"));
        }
        tensors.insert(name.to_string(), tensor);
    }
    Ok(tensors)
}

impl View {
    /// The tensor's values out of the storage's bytes; `None` for kinds that no weight has.
    pub(super) fn read(&self, bytes: &[u8]) -> Result<Option<Tensor>, String> {
        let Some(kind) = self.storage.kind else { return Ok(None) };
        let width = kind.size_in_bytes();
        let held = bytes.len() / width;
        let count = self.shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
        let count = count.filter(|count| *count <= held && self.strides.len() == self.shape.len());
        let count = count.ok_or_else(|| format!("shape {:?} does not fit {held} values in its storage", self.shape))?;
        let reach = self
            .shape
            .iter()
            .zip(&self.strides)
            .try_fold(1_usize, |reach, (size, stride)| reach.checked_add(size.saturating_sub(1).checked_mul(*stride)?));
        if count > 0 && reach != Some(count) {
            return Err(format!("shape {:?} with the strides {:?} is a part of something larger", self.shape, self.strides));
        }
        let part = self.offset.checked_add(count).filter(|end| *end <= held).map(|end| self.offset * width..end * width);
        let part = part.ok_or_else(|| format!("shape {:?} reaches beyond the {held} values in its storage", self.shape))?;
        let values = values(&bytes[part], kind).map_err(|error| error.to_string())?;
        Ok(Some(Tensor { shape: self.shape.clone(), values: self.gather(&values, count) }))
    }

    /// The values in the order of the shape.
    fn gather(&self, values: &[f32], count: usize) -> Vec<f32> {
        let place = |mut index: usize| {
            self.shape.iter().zip(&self.strides).rev().fold(0, |place, (size, stride)| {
                let within = index % size;
                index /= size;
                place + within * stride
            })
        };
        (0..count).map(|index| values[place(index)]).collect()
    }
}

fn values(bytes: &[u8], kind: DType) -> candle_core::Result<Vec<f32>> {
    let values = bytes.len() / kind.size_in_bytes();
    candle_core::Tensor::from_raw_buffer(bytes, kind, &[values], &Device::Cpu)?.to_dtype(DType::F32)?.to_vec1()
}
