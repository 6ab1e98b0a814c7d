using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Protocol;

namespace ChannelSdk.GuestAgent.Services;

/// <summary>The policy of agent.conf: folders below which files may be read and written, programs that may be run.</summary>
/// <param name="config">The configuration that holds at the time of a request.</param>
internal sealed class ConfigAccessPolicy(Func<AgentConfig> config) : IAccessPolicy
{
    /// <inheritdoc/>
    public void CheckRead(string path) => RequireBelow(path, config().FilesRead, "files_read");

    /// <inheritdoc/>
    public void CheckWrite(string path) => RequireBelow(path, config().FilesWrite, "files_write");

    /// <inheritdoc/>
    public void CheckCommand(IReadOnlyList<string> argv)
    {
        string allowed = config().ExecAllow;
        if (allowed != ConfigKeys.Any && !Entries(allowed).Contains(argv[0], StringComparer.Ordinal))
        {
            throw Denied(argv[0], "exec", allowed);
        }
    }

    /// <summary>The entries of a list value; none for "none".</summary>
    public static string[] Entries(string list) => list == ConfigKeys.None ? [] : list.Split(':');

    private static void RequireBelow(string path, string folders, string key)
    {
        foreach (string folder in Entries(folders))
        {
            if (folder == "/" || path == folder || (path.StartsWith(folder, StringComparison.Ordinal) && path[folder.Length] == '/'))
            {
                return;
            }
        }
        throw Denied(path, key, folders);
    }

    private static ChannelException Denied(string what, string key, string value) =>
        new(ChannelError.PermissionDenied, ErrorClass.Refused, $"{LogText.Escape(what, 300)}: the image's configuration says {key} = {value}");
}
