namespace ChannelSdk.GuestAgent.Sysprep;

/// <summary>What becomes of what a place names.</summary>
internal enum SysprepAction
{
    /// <summary>It is removed, a folder with all in it.</summary>
    Remove,

    /// <summary>It is removed if it is a regular file.</summary>
    RemoveRegular,

    /// <summary>All in the folder is removed; the folder stays.</summary>
    RemoveContent,

    /// <summary>All in the folder is removed but folders, which programs expect with their owners.</summary>
    RemoveFiles,

    /// <summary>The regular file stays, without content.</summary>
    Empty,
}

/// <summary>A place in a system, from its root folder.</summary>
/// <param name="Action">What becomes of it.</param>
/// <param name="Pattern">Names with slashes between them; an asterisk in a name stands for any characters.</param>
/// <param name="Except">An entry of the folder that another place is about; empty: none.</param>
internal readonly record struct SysprepPlace(SysprepAction Action, string Pattern, string Except = "");

/// <summary>One thing that an image should not have.</summary>
/// <param name="Name">Its name for <c>--keep</c> and <c>--also</c>.</param>
/// <param name="What">What it is, for a person.</param>
/// <param name="IsDefault">Whether it is removed without being asked for.</param>
/// <param name="Places">Where it is.</param>
internal sealed record SysprepItem(string Name, string What, bool IsDefault, params SysprepPlace[] Places)
{
    /// <summary>Whether it is left alone in the system that runs, whose agent needs it.</summary>
    public bool IsOfRunningSystem { get; init; }
}
