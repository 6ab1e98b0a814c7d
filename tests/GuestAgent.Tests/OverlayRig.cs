using ChannelSdk.GuestAgent.Overlay;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>An installed system with links, and a file outside of it.</summary>
internal sealed class OverlayRig : IDisposable
{
    internal const long Limit = 1 << 30;

    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("overlay-test-");

    internal OverlayRig()
    {
        Directory.CreateDirectory(At("target/usr/bin"));
        Directory.CreateDirectory(At("target/etc"));
        Directory.CreateDirectory(At("outside"));
        File.CreateSymbolicLink(At("target/bin"), "usr/bin");
        File.CreateSymbolicLink(At("target/run"), "/var/run");
        File.CreateSymbolicLink(At("target/escape"), At("outside"));
        File.CreateSymbolicLink(At("target/etc/shown"), At("outside/secret"));
        File.WriteAllText(At("target/etc/hostname"), "old");
        File.WriteAllText(At("outside/secret"), "secret");
    }

    public void Dispose() => RawFolder.RemoveAsync(_root.FullName).GetAwaiter().GetResult();

    internal OverlayReply Lay(byte[] archive, long limit = Limit)
    {
        using var tree = new OverlayTree(At("target"));
        return OverlayArchive.Lay(tree, new MemoryStream(archive), limit, CancellationToken.None);
    }

    internal string At(string name) => $"{_root.FullName}/{name}";

    internal string Stat(string name) => RunAsync("stat", "-c", "%f %u:%g %Y %h", At($"target/{name}")).Trim()[1..];

    internal string Snapshot() => RunAsync("find", _root.FullName, "-printf", "%p %m %s %T@ %l\\n");

    internal static string RunAsync(string program, params string[] arguments)
    {
        using var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output;
    }
}
