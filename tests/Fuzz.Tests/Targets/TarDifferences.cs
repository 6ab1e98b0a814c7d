namespace ChannelSdk.Fuzz.Tests.Targets;

/// <summary>Where the agent's reader of packages and System.Formats.Tar may part, each with its reason. Anything else is a finding.</summary>
internal static class TarDifferences
{
    /// <summary>Refusals of the agent: a part of their text, and why the library's opinion does not matter.</summary>
    private static readonly (string Text, string Reason)[] s_ours =
    [
        ("it is a device", "a package makes no devices"),
        ("it is a pipe", "nor pipes"),
        ("it is a sparse file", "its content is a map and pieces, which the library gives as content"),
        ("it is of a kind that is not allowed", "multi-volume parts, lists of folders and others make nothing in a system"),
        ("has 1 to 4095 bytes", "an entry without a name, or with a zero byte in one"),
        ("a symbolic link says 1 to 4095 bytes", "the same of what a link says"),
        ("is absolute", "a package lies below the target"),
        ("a part that is '..' or longer than", "nothing leads out of the target, and no file system has longer names"),
        ("it is a link that leads out of the system", "nor does a link"),
        ("it would take the place of the system's root", "the root stays the folder that it is"),
        ("the checksum of its header is wrong", "a damaged header"),
        ("its header says neither POSIX nor GNU", "mixed or unknown formats, in which readers find other names"),
        (" is no number", "the field has other characters than octal digits with blanks around them, or a zero byte before them"),
        (" is out of range", "a number that the system has no place for, or the size of an entry that has no content"),
        ("it ends ", "the file was cut off; the library takes a missing mark of the end"),
        ("something follows the mark of its end", "readers disagree whether that is a part of the archive"),
        ("a pax header in it ", "a damaged record, or one with a wrong number; the library leaves these out"),
        ("an extended header has at most", "a bound"),
        ("extended headers", "a bound, or more headers than one way to extend an entry has"),
        ("GNU's extended header and POSIX's name", "the library looks for times where the name's first part is"),
        ("a global pax header ", "it sets something for all entries"),
        ("decompressed it has more than", "a bound"),
    ];

    /// <summary>What the library alone refuses: a part of its text, and why the agent takes it.</summary>
    private static readonly (string Text, string Reason)[] s_theirs =
    [
        ("Arithmetic operation resulted in an overflow", "numbers of owners have 32 bits in the system, and 31 in the library"),
        ("Ticks must be between", "times of the library end with the year 9999"),
        ("Valid values are between", "the same"),
    ];

    internal static bool Explains(string refusal) => s_ours.Any(one => refusal.Contains(one.Text, StringComparison.Ordinal));

    internal static bool IsOnlyTheirs(Exception refusal) => s_theirs.Any(one => refusal.Message.Contains(one.Text, StringComparison.Ordinal));
}
