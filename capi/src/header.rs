//! Compares the committed headers with what the library has: every struct, number and function.
//!
//! What Rust has is written as C that does not compile where the headers say otherwise.

use std::collections::BTreeSet;
use std::ffi::{c_char, c_int, c_void};
use std::fmt::Write as _;
use std::io::Write as _;
use std::mem::{offset_of, size_of};
use std::path::Path;
use std::process::{Command, Stdio};

use handfast::{Access, Alpha, Format, Kind, Range, SurfaceFlags};

use crate::argument::{self, HF_PLANES_MAX, HfColor};
use crate::error::{self, hf_error_text, hf_version};
use crate::object::{self, *};
use crate::result;
use crate::stream::{self, *};

const HEADERS: [&str; 3] = [
    include_str!("../../include/handfast/types.h"),
    include_str!("../../include/handfast/stream.h"),
    include_str!("../../include/handfast/objects.h"),
];

/// What C calls a type.
trait InC {
    fn name() -> String;
}

macro_rules! in_c {
    ($($rust:ty = $c:literal),* $(,)?) => {
        $(impl InC for $rust {
            fn name() -> String {
                $c.to_owned()
            }
        })*
    };
}

in_c! {
    () = "void",
    c_void = "void",
    c_char = "char",
    c_int = "int",
    u8 = "uint8_t",
    u32 = "uint32_t",
    u64 = "uint64_t",
    usize = "size_t",
    HfFrame = "hf_frame",
    HfEntry = "hf_entry",
    HfSenderOptions = "hf_sender_options",
    HfSender = "hf_sender",
    HfReceiver = "hf_receiver",
    HfWatch = "hf_watch",
    HfSurfaceDesc = "hf_surface_desc",
    HfSubresource = "hf_subresource",
    HfWaitObject = "hf_wait_object",
    HfSurface = "hf_surface",
    HfSection = "hf_section",
    HfFence = "hf_fence",
    HfEvent = "hf_event",
    HfHandle = "hf_handle",
    HfReached = "hf_reached",
}

impl<T: InC> InC for *const T {
    fn name() -> String {
        format!("const {} *", T::name())
    }
}

impl<T: InC> InC for *mut T {
    fn name() -> String {
        format!("{} *", T::name())
    }
}

/// A function's type in C, with its name in it.
trait FunctionInC {
    fn declare(self, name: &str) -> String;
}

macro_rules! function_in_c {
    ($($argument:ident)*) => {
        impl<R: InC, $($argument: InC),*> FunctionInC
            for unsafe extern "C" fn($($argument),*) -> R
        {
            fn declare(self, name: &str) -> String {
                let arguments: &[String] = &[$($argument::name()),*];
                let arguments = arguments.join(", ");
                let arguments = if arguments.is_empty() { "void" } else { &arguments };
                format!("{} (*{name})({arguments})", R::name())
            }
        }
    };
}

function_in_c!();
function_in_c!(A);
function_in_c!(A B);
function_in_c!(A B C);
function_in_c!(A B C D);
function_in_c!(A B C D E);

/// C in which every function of the library is assigned to a pointer of its Rust type.
struct Functions {
    names: BTreeSet<String>,
    c: String,
}

impl Functions {
    fn add(&mut self, name: &str, function: impl FunctionInC) {
        let pointer = function.declare(&format!("check_{name}"));
        writeln!(self.c, "extern {pointer};\n{pointer} = {name};").unwrap();
        self.names.insert(name.to_owned());
    }
}

macro_rules! add {
    ($found:ident: $($name:ident($($argument:tt)*);)*) => {
        $($found.add(stringify!($name), $name as unsafe extern "C" fn($($argument)*) -> _);)*
    };
}

fn functions() -> Functions {
    let mut found = Functions { names: BTreeSet::new(), c: String::new() };
    add_of_streams(&mut found);
    add_of_memory(&mut found);
    add_of_the_rest(&mut found);
    add_of_values(&mut found);
    found
}

fn add_of_streams(found: &mut Functions) {
    add! {
        found:
        hf_error_text();
        hf_version();
        hf_sender_create(_, _, _, _, _);
        hf_sender_create_with(_, _, _);
        hf_sender_frame(_, _);
        hf_sender_frame_timeout(_, _, _);
        hf_sender_send(_, _);
        hf_sender_cancel(_, _);
        hf_sender_resize(_, _, _, _);
        hf_sender_receivers(_);
        hf_sender_wait_for_receivers(_, _, _);
        hf_sender_finish(_, _);
        hf_sender_destroy(_);
        hf_receiver_open(_, _, _);
        hf_receiver_frame(_, _, _);
        hf_receiver_done(_, _);
        hf_receiver_fd(_);
        hf_receiver_text(_, _, _);
        hf_receiver_destroy(_);
        hf_list(_);
        hf_list_free(_);
        hf_watch_create(_);
        hf_watch_wait(_, _);
        hf_watch_destroy(_);
    }
}

fn add_of_memory(found: &mut Functions) {
    add! {
        found:
        hf_surface_create(_, _, _);
        hf_surface_open(_, _, _);
        hf_surface_open_handle(_, _);
        hf_surface_share(_, _, _, _);
        hf_surface_describe(_, _);
        hf_surface_size(_, _);
        hf_surface_object(_, _);
        hf_surface_access(_, _);
        hf_surface_subresource(_, _, _);
        hf_surface_map_read(_, _, _);
        hf_surface_map_write(_, _, _);
        hf_surface_read(_, _, _, _);
        hf_surface_write(_, _, _, _);
        hf_surface_acquire(_, _, _);
        hf_surface_release(_, _);
        hf_surface_destroy(_);
        hf_section_create(_, _, _, _);
        hf_section_open(_, _, _);
        hf_section_open_handle(_, _);
        hf_section_share(_, _, _, _);
        hf_section_size(_, _);
        hf_section_object(_, _);
        hf_section_access(_, _);
        hf_section_map_read(_, _, _);
        hf_section_map_write(_, _, _);
        hf_section_read(_, _, _, _);
        hf_section_write(_, _, _, _);
        hf_section_destroy(_);
    }
}

fn add_of_the_rest(found: &mut Functions) {
    add! {
        found:
        hf_fence_create(_, _, _);
        hf_fence_open(_, _, _);
        hf_fence_open_handle(_, _);
        hf_fence_share(_, _, _, _);
        hf_fence_signal(_, _);
        hf_fence_value(_, _);
        hf_fence_wait(_, _, _);
        hf_fence_reached(_, _, _);
        hf_fence_set_event_on_completion(_, _, _);
        hf_fence_object(_, _);
        hf_fence_access(_, _);
        hf_fence_destroy(_);
        hf_event_create(_, _, _);
        hf_event_open(_, _, _);
        hf_event_open_handle(_, _);
        hf_event_share(_, _, _, _);
        hf_event_set(_);
        hf_event_reset(_);
        hf_event_is_set(_);
        hf_event_wait(_, _);
        hf_event_taken(_, _);
        hf_event_object(_, _);
        hf_event_access(_, _);
        hf_event_destroy(_);
        hf_wait_any(_, _, _, _);
        hf_wait_all(_, _, _, _);
        hf_reached_fd(_);
        hf_reached_outcome(_);
        hf_reached_destroy(_);
        hf_handle_from_fd(_, _);
        hf_handle_fd(_);
        hf_handle_duplicate(_, _);
        hf_handle_duplicate_with(_, _, _);
        hf_handle_set_inheritance(_, _);
        hf_handle_inheritance(_);
        hf_handle_kind(_);
        hf_handle_object(_, _);
        hf_handle_access(_, _);
        hf_handle_close(_);
    }
}

fn add_of_values(found: &mut Functions) {
    add! {
        found:
        hf_value_of_handle(_, _);
        hf_value_of_event(_, _);
        hf_value_of_fence(_, _);
        hf_value_handle(_, _);
        hf_value_event(_, _);
        hf_value_fence(_, _);
        hf_value_surface(_, _);
        hf_value_section(_, _);
        hf_value_kind(_);
        hf_value_access(_, _);
        hf_value_flags(_);
        hf_value_set_flags(_, _, _);
        hf_value_duplicate(_, _, _, _);
        hf_value_deliver(_, _, _, _, _);
        hf_value_fetch(_, _, _, _, _);
        hf_value_close(_);
    }
}

/// C that asserts the place and size of every field.
fn structs() -> String {
    let mut c = String::new();
    let mut assert = |what: String| writeln!(c, "_Static_assert({what}, \"{what}\");").unwrap();
    macro_rules! same {
        ($($rust:ident = $c:ident { $($field:ident),* $(,)? })*) => {
            $({
                let name = stringify!($c);
                let mut covered = 0;
                $({
                    let field = stringify!($field);
                    let size = size_of_field(|it: &$rust| &raw const it.$field);
                    let offset = offset_of!($rust, $field);
                    assert_eq!(offset, covered, "{name}.{field} follows the one before");
                    covered += size;
                    assert(format!("offsetof({name}, {field}) == {offset}"));
                    assert(format!("sizeof((({name} *)0)->{field}) == {size}"));
                })*
                assert_eq!(covered, size_of::<$rust>(), "every field of {name} is here");
                assert(format!("sizeof({name}) == {covered}"));
            })*
        };
    }
    same! {
        HfColor = hf_color { primaries, transfer, matrix, range }
        HfRect = hf_rect { x, y, width, height }
        HfFrame = hf_frame {
            sequence, time_ns, sent_ns, dropped_before, number, data, size_bytes, owner,
            reserved_pointer, stride_bytes, row_bytes, rows, width, height, format, planes, color,
            alpha, damage_count, user_bytes, damage, user_data, reserved,
        }
        HfSenderOptions = hf_sender_options {
            struct_size, width, height, format, slots, align_bytes, lossless, alpha, color,
            reserved, text,
        }
        HfEntry = hf_entry {
            id, made_ns, payload_bytes, name, program, pid, uid, kind, has_sender, receivers,
            width, height, format, color, alpha,
        }
        HfSurfaceDesc = hf_surface_desc {
            struct_size, dimension, width, height, depth, layers, mips, format, flags, writers,
            alpha, color, reserved,
        }
        HfSubresource = hf_subresource {
            offset_bytes, size_bytes, slice_bytes, width, height, depth, planes, reserved,
            plane_offset_bytes, stride_bytes, row_bytes, rows, reserved_more,
        }
        HfWaitObject = hf_wait_object { value, fence, event }
    }
    c
}

fn size_of_field<S, F>(_: impl Fn(&S) -> *const F) -> usize {
    size_of::<F>()
}

/// Every number that the library knows by a name of the header.
fn numbers() -> BTreeSet<(String, i64)> {
    let mut found = BTreeSet::new();
    macro_rules! add {
        ($module:ident: $($name:ident),* $(,)?) => {
            $(found.insert((stringify!($name).to_owned(), i64::from($module::$name)));)*
        };
    }
    add! {
        error: HF_ERROR_FAILED, HF_ERROR_NAME_INVALID, HF_ERROR_NAME_TAKEN, HF_ERROR_NOT_FOUND,
        HF_ERROR_ACCESS_DENIED, HF_ERROR_LIMIT_REACHED, HF_ERROR_OUT_OF_MEMORY,
        HF_ERROR_PICTURE_INVALID, HF_ERROR_INVALID, HF_ERROR_BROKER_UNAVAILABLE, HF_ERROR_VERSION,
        HF_ERROR_LOST, HF_ERROR_FORKED, HF_ERROR_KERNEL, HF_ERROR_NULL, HF_ERROR_FRAME,
        HF_ERROR_BUSY, HF_ERROR_PANIC, HF_ERROR_MISUSE, HF_ERROR_HANDLE,
    }
    add! {
        result: HF_ENDED, HF_SIGNALED, HF_FRAME, HF_TIMED_OUT, HF_NO_SENDER, HF_DROPPED,
        HF_CHANGED, HF_ABANDONED, HF_LOST,
    }
    add! { stream: HF_MODE_LOSSLESS, HF_MODE_LATEST }
    add! { argument: HF_WRITERS_ONE, HF_WRITERS_SEVERAL }
    add! {
        object: HF_DIMENSION_BUFFER, HF_DIMENSION_1D, HF_DIMENSION_2D, HF_DIMENSION_3D,
        HF_RESET_MANUAL, HF_RESET_AUTO, HF_DUPLICATE_CLOSE_SOURCE, HF_DUPLICATE_SAME_ACCESS,
        HF_DUPLICATE_SAME_ATTRIBUTES, HF_DUPLICATE_INHERIT, HF_FLAG_INHERIT,
        HF_FLAG_PROTECT_FROM_CLOSE,
    }
    let mut add = |prefix: &str, name: &str, number: i64| {
        let name = name.to_uppercase().replace('-', "_");
        found.insert((format!("{prefix}_{name}"), number));
    };
    for format in Format::ALL {
        add("HF_FORMAT", format.name(), format.number().into());
    }
    for alpha in Alpha::ALL {
        add("HF_ALPHA", alpha.name(), alpha.number().into());
    }
    for range in [Range::Limited, Range::Full] {
        add("HF_RANGE", range.name(), range.number().into());
    }
    for kind in Kind::ALL {
        add("HF_KIND", kind.rules().word, kind.rules().number.into());
    }
    macro_rules! add_access {
        ($($name:ident),* $(,)?) => {
            $(add("HF_ACCESS", stringify!($name), Access::$name.bits().into());)*
        };
    }
    add_access! {
        DELETE, READ_CONTROL, WRITE_DAC, WRITE_OWNER, SYNCHRONIZE, MAXIMUM_ALLOWED, GENERIC_ALL,
        GENERIC_EXECUTE, GENERIC_WRITE, GENERIC_READ, STREAM_RECEIVE, STREAM_SEND, STREAM_QUERY,
        SURFACE_WRITE, FENCE_WAIT, FENCE_SIGNAL, EVENT_QUERY, EVENT_MODIFY, SECTION_QUERY,
        SECTION_MAP_WRITE, SECTION_MAP_READ,
    }
    for (name, flag) in SurfaceFlags::all().iter_names() {
        add("HF_SURFACE", name, flag.bits().into());
    }
    let sizes = [
        ("PLANES_MAX", HF_PLANES_MAX),
        ("DAMAGE_MAX", HF_DAMAGE_MAX),
        ("USER_BYTES_MAX", HF_USER_BYTES_MAX),
        ("TEXT_BYTES_MAX", 256),
    ];
    for (name, size) in sizes {
        add("HF", name, i64::try_from(size).unwrap());
    }
    found
}

/// The headers without comments.
fn code() -> String {
    HEADERS.map(without_comments).concat()
}

fn without_comments(header: &str) -> String {
    let mut code = String::new();
    let mut rest = header;
    while let Some((before, after)) = rest.split_once("/*") {
        code.push_str(before);
        rest = after.split_once("*/").expect("comments end").1;
    }
    code + rest
}

/// `NAME = number` for every enumerator and every `#define` of a number.
fn numbers_of_header(code: &str) -> BTreeSet<(String, i64)> {
    let pairs = code.lines().filter_map(|line| {
        let line = line.trim().trim_end_matches(',');
        match line.strip_prefix("#define ") {
            Some(define) => define.split_once(' '),
            None => line.split_once(" = "),
        }
    });
    pairs.filter_map(|(name, text)| Some((name.to_owned(), number(text.trim())?))).collect()
}

/// `-7`, or `0x00000007u`.
fn number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits.trim_end_matches('u'), 16).ok(),
        None => text.parse().ok(),
    }
}

fn compile(text: &str) -> Result<(), String> {
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("../include");
    let mut command = Command::new("cc");
    command.args(["-x", "c", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]);
    if size_of::<usize>() == 4 {
        command.arg("-m32");
    }
    command.arg("-fsyntax-only").arg("-I").arg(include).arg("-");
    command.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("what links Rust compiles C");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[test]
fn the_headers_declare_what_the_library_has() {
    let mut text = "#include <handfast/handfast.h>\n".to_owned();
    text += &structs();
    text += &functions().c;
    for (name, number) in numbers() {
        writeln!(text, "_Static_assert({name} == {number}, \"{name} is {number}\");").unwrap();
    }
    assert_eq!(compile(&text), Ok(()));
}

#[test]
fn the_headers_declare_nothing_else() {
    let code = code();
    assert_eq!(numbers_of_header(&code), numbers());
    let calls = code.split('(').filter_map(|before| {
        let name = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next()?;
        name.starts_with("hf_").then(|| name.to_owned())
    });
    assert_eq!(calls.collect::<BTreeSet<_>>(), functions().names);
}

#[test]
fn the_comparison_notices_what_differs() {
    let wrong = "_Static_assert(sizeof(hf_rect) == 9, \"\");\n";
    assert!(compile(&format!("#include <handfast/handfast.h>\n{wrong}")).is_err());
    let wrong = "extern int (*a)(hf_sender *);\nint (*a)(hf_sender *) = hf_receiver_fd;\n";
    assert!(compile(&format!("#include <handfast/handfast.h>\n{wrong}")).is_err());
}
