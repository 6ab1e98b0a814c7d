using ChannelSdk.GuestAgent.Files;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Sysprep;

/// <summary>One run over a system.</summary>
internal static class SysprepRun
{
    private const int MaxShown = 300;

    /// <summary>Removes items from a system, or finds out what there is of them.</summary>
    /// <param name="root">Its root folder, as a person gives it; links in this path are followed.</param>
    /// <param name="items">What is removed.</param>
    /// <param name="isDry">Whether nothing is.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it is no root folder of a system; or it cannot be opened.</exception>
    public static SysprepReport Execute(string root, IReadOnlyList<SysprepItem> items, bool isDry)
    {
        var path = RealPath.Of(root) ?? throw Wrong(root, "there is no such folder");
        using var folder = PathOpener.Open(RawPath.Parse(ByteString.CopyFromUtf8(path)), Abi.O_RDONLY | Abi.O_DIRECTORY);
        if (!FileFacts.TryOfEntry(folder, "etc\0"u8, path, out _))
        {
            throw Wrong(root, "it is no root folder of a system, as there is no etc in it");
        }

        using var own = PathOpener.Open(RawPath.Parse(ByteString.CopyFromUtf8("/")), Abi.O_RDONLY | Abi.O_DIRECTORY);
        var (there, here) = (FileFacts.Of(folder, path), FileFacts.Of(own, "/"));
        var isRunning = there.Device == here.Device && there.Inode == here.Inode;
        var walk = new SysprepWalk(folder, isDry);
        var counts = new List<SysprepCount>();
        for (var i = 0; i < items.Count; i++)
        {
            if (!isRunning || !items[i].IsOfRunningSystem)
            {
                counts.Add(walk.Remove(items[i]));
            }
        }

        // A machine that is switched off now has an image without them.
        if (!isDry && DescriptorCalls.SyncFs(folder) != 0)
        {
            throw FileFailure.OfLast("flush", LogText.Escape(path, MaxShown));
        }

        return new SysprepReport(path, isDry, isRunning, counts);
    }

    private static ChannelException Wrong(string root, string why) =>
        new(ChannelError.BadConfiguration, ErrorClass.Refused, $"--root {LogText.Escape(root, MaxShown)}: {why}");
}
