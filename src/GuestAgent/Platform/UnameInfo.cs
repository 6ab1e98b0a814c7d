using System.Text;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.GuestAgent.Platform;

/// <summary>The kernel's answer to uname(2).</summary>
internal readonly record struct UnameInfo(string SystemName, string HostName, string Release, string Version, string Machine)
{
    // struct utsname on Linux: six fields of 65 bytes, each ended by a zero.
    private const int FieldBytes = 65;

    public static unsafe UnameInfo Load()
    {
        Span<byte> buffer = stackalloc byte[6 * FieldBytes];
        fixed (byte* start = buffer)
        {
            if (SystemCalls.Uname(start) != 0)
            {
                return new UnameInfo("", "", "", "", "");
            }
        }

        return new UnameInfo(Field(buffer, 0), Field(buffer, 1), Field(buffer, 2), Field(buffer, 3), Field(buffer, 4));
    }

    private static string Field(ReadOnlySpan<byte> buffer, int index)
    {
        var field = buffer.Slice(index * FieldBytes, FieldBytes);
        var end = field.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? field : field[..end]);
    }
}
