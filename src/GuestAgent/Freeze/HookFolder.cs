using ChannelSdk.GuestAgent.CommandLine;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>
/// The programs that bring services to rest: run by name before a freeze with "freeze", and in reverse after it with
/// "thaw". A hook that was asked to freeze is always asked to thaw, whether it or the freeze succeeded or not. For a snapshot there is a
/// second argument: its kind, "memory" or "disk".
/// </summary>
/// <param name="folder">Where they are; it may be missing.</param>
/// <param name="limit">How long each may take.</param>
internal sealed class HookFolder(string folder, TimeSpan limit)
{
    private const int MaxHooks = 32;
    private const int NotRun = 126;
    private static readonly string[] s_leftovers = ["~", ".bak", ".orig", ".rpmsave", ".rpmnew", ".rpmorig", ".dpkg-old", ".dpkg-new", ".dpkg-dist", ".swp"];

    /// <summary>How long each may take.</summary>
    public TimeSpan Limit => limit;

    /// <summary>The hooks in their order: executable files whose name does not begin with a dot or say that they are left over.</summary>
    /// <exception cref="IOException">The folder is there and cannot be listed: whether there are hooks is not known.</exception>
    /// <exception cref="UnauthorizedAccessException">As above.</exception>
    public IReadOnlyList<string> List()
    {
        // Most guests have none, and in one that was just restored an exception takes as long as a step of its repair.
        if (FileIdentity.Of(folder) is null && Errno.Last == Errno.ENOENT)
        {
            return [];
        }

        try
        {
            return
            [
                .. Directory.EnumerateFiles(folder)
                    .Where(static path => Path.GetFileName(path)[0] != '.' && !s_leftovers.Any(end => path.EndsWith(end, StringComparison.Ordinal)))
                    .Where(static path => FileCalls.Access(path, Abi.X_OK) == 0)
                    .Order(StringComparer.Ordinal)
                    .Take(MaxHooks),
            ];
        }
        catch (DirectoryNotFoundException) when (!File.Exists(folder))
        {
            return [];
        }
    }

    /// <summary>Runs one hook on this thread.</summary>
    /// <param name="hook">Its path.</param>
    /// <param name="arguments">"freeze" or "thaw", and for a snapshot its kind.</param>
    /// <param name="mustStop">Asked all the time; true kills it.</param>
    public HookResult Run(string hook, string[] arguments, Func<bool> mustStop)
    {
        var name = LogText.Escape(Path.GetFileName(hook), 255);
        // A user that may write a hook becomes root with the next freeze.
        const UnixFileMode others = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;
        if (((Mode(hook) | Mode(folder)) & others) != 0)
        {
            return new HookResult { Name = name, ExitCode = NotRun, Output = "not run: others than its owner may write it or its folder (chmod go-w)" };
        }

        var result = CapturedProcess.Run(hook, arguments, limit, mustStop);
        return new HookResult
        {
            Name = name,
            ExitCode = result.ExitCode,
            TimedOut = result.TimedOut,
            ElapsedMs = (ulong)result.Elapsed.TotalMilliseconds,
            Output = result.Output,
            OutputCut = result.OutputCut,
        };
    }

    private static UnixFileMode Mode(string path)
    {
        try
        {
            return File.GetUnixFileMode(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return UnixFileMode.None;
        }
    }
}
