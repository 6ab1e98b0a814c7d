using System.Buffers.Binary;

namespace ChannelSdk.Linux.Processes;

/// <summary>
/// Which measures of a process hold, as it tells its maker in its first message, before it reads anything of a peer: of each
/// <see cref="ConfinementMeasure"/> two bytes, little-endian, 0 if it holds, 65535 if it was not asked for, and the errno for which it does
/// not hold.
/// </summary>
public sealed class ConfinementReport
{
    /// <summary>Bytes of the message.</summary>
    public const int Size = 32;

    private const uint Mark = 0x31464E43;
    private const ushort NotAsked = ushort.MaxValue;
    private const int Header = sizeof(uint);
    private const int Measures = (int)ConfinementMeasure.SystemCallFilter + 1;

    private readonly ushort[] _states = [.. Enumerable.Repeat(NotAsked, Measures)];

    /// <summary>Notes a measure.</summary>
    /// <param name="measure">Which.</param>
    /// <param name="error">0 if it holds, or the errno.</param>
    public void Set(ConfinementMeasure measure, int error) => _states[(int)measure] = (ushort)Math.Clamp(error, 0, NotAsked - 1);

    /// <summary>Whether a measure holds.</summary>
    public bool Holds(ConfinementMeasure measure) => _states[(int)measure] == 0;

    /// <summary>The errno for which a measure does not hold; 0 if it holds; null if it was not asked for.</summary>
    public int? ErrorOf(ConfinementMeasure measure) => _states[(int)measure] is not NotAsked and var error ? error : null;

    /// <summary>Writes the message.</summary>
    /// <param name="message"><see cref="Size"/> bytes.</param>
    public void Write(Span<byte> message)
    {
        message[..Size].Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(message, Mark);
        for (var i = 0; i < Measures; i++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(message[(Header + i * sizeof(ushort))..], _states[i]);
        }
    }

    /// <summary>Reads a message; null if it is none.</summary>
    public static ConfinementReport? Read(ReadOnlySpan<byte> untrusted)
    {
        if (untrusted.Length != Size || BinaryPrimitives.ReadUInt32LittleEndian(untrusted) != Mark)
        {
            return null;
        }

        var report = new ConfinementReport();
        for (var i = 0; i < Measures; i++)
        {
            report._states[i] = BinaryPrimitives.ReadUInt16LittleEndian(untrusted[(Header + i * sizeof(ushort))..]);
        }

        return report;
    }
}
