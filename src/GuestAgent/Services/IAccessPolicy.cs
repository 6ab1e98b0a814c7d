using ChannelSdk.Protocol;

namespace ChannelSdk.GuestAgent.Services;

/// <summary>What the image lets the host do. Asked at each call, so that a reload takes effect at once.</summary>
internal interface IAccessPolicy
{
    /// <summary>May the host read this file, look at it, or list this folder?</summary>
    /// <param name="path">Absolute, without "." and "..".</param>
    /// <exception cref="ChannelException">PermissionDenied, with the rule that says so.</exception>
    void CheckRead(string path);

    /// <summary>May the host make or replace this file?</summary>
    /// <param name="path">Absolute, without "." and "..".</param>
    /// <exception cref="ChannelException">PermissionDenied, with the rule that says so.</exception>
    void CheckWrite(string path);

    /// <summary>May the host run this?</summary>
    /// <param name="argv">The program's absolute path and its arguments.</param>
    /// <exception cref="ChannelException">PermissionDenied, with the rule that says so.</exception>
    void CheckCommand(IReadOnlyList<string> argv);
}
