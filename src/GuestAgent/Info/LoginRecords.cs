using System.Buffers.Binary;
using System.Text;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Info;

/// <summary>Who is logged in, from utmp(5).</summary>
internal static class LoginRecords
{
    // struct utmp of glibc on x86-64.
    private const int RecordBytes = 384;
    private const int LineOffset = 8;
    private const int LineBytes = 32;
    private const int UserOffset = 44;
    private const int UserBytes = 32;
    private const int SecondsOffset = 340;
    private const short UserProcess = 7;
    private const int MaxRecords = 256;

    /// <summary>The users of this guest; empty where nothing keeps a record.</summary>
    public static IReadOnlyList<UserInfo> Load() =>
        SmallFile.TryRead("/run/utmp", RecordBytes * MaxRecords, out var bytes) == 0 ? Parse(bytes) : [];

    /// <summary>The user processes among the whole records.</summary>
    internal static IReadOnlyList<UserInfo> Parse(ReadOnlySpan<byte> bytes)
    {
        var users = new List<UserInfo>();
        for (; bytes.Length >= RecordBytes; bytes = bytes[RecordBytes..])
        {
            if (BinaryPrimitives.ReadInt16LittleEndian(bytes) == UserProcess)
            {
                users.Add(new UserInfo
                {
                    Name = Text(bytes.Slice(UserOffset, UserBytes)),
                    Terminal = Text(bytes.Slice(LineOffset, LineBytes)),
                    SinceUnixMs = BinaryPrimitives.ReadInt32LittleEndian(bytes[SecondsOffset..]) * 1000L,
                });
            }
        }

        return users;
    }

    private static string Text(ReadOnlySpan<byte> field)
    {
        var end = field.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? field : field[..end]);
    }
}
