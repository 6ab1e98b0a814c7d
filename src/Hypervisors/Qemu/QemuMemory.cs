using System.Globalization;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>A file that is a guest's memory.</summary>
/// <param name="Path">Its path.</param>
/// <param name="IsCopied">
/// Whether the guest begins with what is in it and keeps its own writes, so that any number of guests share it, or writes to it.
/// </param>
internal sealed record QemuMemory(string Path, bool IsCopied)
{
    /// <summary>The name that QEMU's machine "pc" gives its memory: by it a saved guest finds it, whatever it was made of.</summary>
    public const string Id = "pc.ram";

    /// <summary>QEMU's arguments for it (qemu(1), memory-backend-file).</summary>
    public string[] Arguments(int memoryMiB) =>
    [
        "-object",
        $"memory-backend-file,id={Id},size={memoryMiB.ToString(CultureInfo.InvariantCulture)}M,mem-path={QemuArguments.Value(Path)},share={(IsCopied ? "off" : "on")},x-use-canonical-path-for-ramblock-id=off",
    ];
}
