using ChannelSdk.Services;

namespace ChannelSdk.GuestAgent.Configuration;

/// <summary>Which commands of the QEMU guest agent's protocol the configuration lets through.</summary>
/// <param name="Allowed">Their names, or a star for all.</param>
/// <param name="Denied">Names that may not be called, even if they are allowed.</param>
internal sealed record QgaLists(IReadOnlyList<string> Allowed, IReadOnlyList<string> Denied)
{
    /// <summary>All commands.</summary>
    public static QgaLists All { get; } = new([MethodPattern.Any], []);

    /// <summary>Whether a command may be called.</summary>
    public bool Allows(string name) => MethodPattern.Matches(Allowed, name) && !MethodPattern.Matches(Denied, name);
}
