namespace ChannelSdk.GuestAgent.Sysprep;

/// <summary>What becomes of what a place names; the value is the sign for it in the list.</summary>
internal enum SysprepAction
{
    /// <summary>It is removed, a folder with all in it.</summary>
    Remove = '-',

    /// <summary>It is removed if it is a regular file.</summary>
    RemoveRegular = '?',

    /// <summary>All in the folder is removed; the folder stays.</summary>
    RemoveContent = '+',

    /// <summary>All in the folder is removed but folders, which programs expect with their owners.</summary>
    RemoveFiles = '%',

    /// <summary>The regular file stays, without content.</summary>
    Empty = '=',
}

/// <summary>One thing that an image should not have. Not a record: the comparison that one brings along is a tenth of this command's size.</summary>
/// <param name="name">Its name for <c>--keep</c> and <c>--also</c>.</param>
/// <param name="what">What it is, for a person.</param>
/// <param name="isDefault">Whether it is removed without being asked for.</param>
/// <param name="places">Where it is: each a sign of <see cref="SysprepAction"/>, and names with slashes between them, in which an asterisk stands for any characters.</param>
internal sealed class SysprepItem(string name, string what, bool isDefault, string[] places)
{
    public string Name => name;

    public string What => what;

    public bool IsDefault => isDefault;

    public string[] Places => places;

    /// <summary>Whether it is left alone in the system that runs, whose agent needs it.</summary>
    public bool IsOfRunningSystem => name == SysprepItems.AgentState;
}
