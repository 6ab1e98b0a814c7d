using System.Buffers.Binary;
using System.Text;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>A device and one port of it, as bytes for the process that serves them. Both processes are of one build.</summary>
internal static class DeviceDescription
{
    private const int FixedSize = 25;

    /// <summary>Encodes them.</summary>
    internal static byte[] Write(VsockDeviceOptions options, uint port)
    {
        var bytes = new byte[FixedSize + Encoding.UTF8.GetByteCount(options.SocketPath)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, port);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4), options.GuestCid);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), options.MaxConnections);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(12), options.BufferBytes);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(16), options.MaxMemory);
        bytes[24] = options.AnySourcePort ? (byte)1 : (byte)0;
        Encoding.UTF8.GetBytes(options.SocketPath, bytes.AsSpan(FixedSize));
        return bytes;
    }

    /// <summary>Decodes them.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is too short.</exception>
    internal static VsockDeviceOptions Read(ReadOnlySpan<byte> bytes, out uint port)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes.Length, FixedSize);
        port = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        return new VsockDeviceOptions
        {
            SocketPath = Encoding.UTF8.GetString(bytes[FixedSize..]),
            GuestCid = BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]),
            MaxConnections = BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]),
            BufferBytes = BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]),
            MaxMemory = BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]),
            AnySourcePort = bytes[24] != 0,
        };
    }
}
