using System.Globalization;

namespace ChannelSdk.Services.Install;

/// <summary>What the script of an export or import finds in its environment when it is called for one disk (ganeti-os-interface(7)).</summary>
public static class DataVariables
{
    /// <summary>The variables of one call.</summary>
    /// <param name="isExport">Whether the data goes out of the disk.</param>
    /// <param name="device">The disk as the script sees it.</param>
    /// <param name="index">The disk's number, from 0.</param>
    /// <param name="sizeDescriptor">Number of the descriptor to which an export may write its estimate of the bytes (<see cref="SizeEstimate"/>).</param>
    public static IEnumerable<KeyValuePair<string, string>> Of(bool isExport, string device, int index, int sizeDescriptor) => isExport
        ?
        [
            new("EXPORT_DEVICE", device),
            new("EXPORT_DISK_PATH", device),
            new("EXPORT_INDEX", Invariant(index)),
            new("EXP_SIZE_FD", Invariant(sizeDescriptor)),
        ]
        :
        [
            new("IMPORT_DEVICE", device),
            new("IMPORT_INDEX", Invariant(index)),
        ];

    private static string Invariant(int number) => number.ToString(CultureInfo.InvariantCulture);
}
